#include "parallel/mpi_library.h"

#include <mpi.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <numeric>
#include <optional>
#include <span>
#include <thread>

namespace qk::parallel {
namespace {

constexpr int kPostTag = 1;
constexpr std::chrono::microseconds kLongestIdle{1000}, kLongestTransfer{200};

/// Waits for what has to be asked for again and again, longer each time: MPI's own waiting would
/// take a core.
class Pause {
 public:
  explicit Pause(std::chrono::microseconds longest) : longest_(longest) {}
  void wait() {
    std::this_thread::sleep_for(next_);
    next_ = std::min(2 * next_, longest_);
  }

 private:
  const std::chrono::microseconds longest_;
  std::chrono::microseconds next_{10};
};

/// Errors of MPI end the job: its own handler says where.
class MpiJob final : public Job, private Post {
 public:
  MpiJob() {
    ::setenv("OMPI_MCA_mpi_yield_when_idle", "1", /*overwrite=*/0);  // who waits leaves the cores
    int provided = 0;
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided);
    MPI_Comm_dup(MPI_COMM_WORLD, &world_);
    MPI_Comm_rank(world_, &rank_);
    MPI_Comm_size(world_, &size_);
    MPI_Comm on_host;
    MPI_Comm_split_type(world_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &on_host);
    MPI_Comm_size(on_host, &ranks_on_host_);
    MPI_Comm_rank(on_host, &rank_on_host_);
    MPI_Comm_free(&on_host);
    void* memory = nullptr;
    const MPI_Aint bytes = rank_ == 0 ? kCounters * sizeof(int64_t) : 0;
    MPI_Win_allocate(bytes, sizeof(int64_t), MPI_INFO_NULL, world_, &memory, &counters_);
    if (rank_ == 0) std::fill_n(static_cast<int64_t*>(memory), kCounters, int64_t{0});
    MPI_Barrier(world_);
    MPI_Win_lock_all(MPI_MODE_NOCHECK, counters_);
    if (provided == MPI_THREAD_MULTIPLE && rank_ == 0)
      progress_ = std::thread([this] { serve_counters(); });
  }

  ~MpiJob() override {
    stopping_ = true;
    if (progress_.joinable()) progress_.join();
    MPI_Win_unlock_all(counters_);
    MPI_Win_free(&counters_);
    MPI_Comm_free(&world_);
    MPI_Finalize();
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  int ranks_on_host() const override { return ranks_on_host_; }
  int rank_on_host() const override { return rank_on_host_; }

  std::string host() const override {
    std::array<char, MPI_MAX_PROCESSOR_NAME> name{};
    int length = 0;
    MPI_Get_processor_name(name.data(), &length);
    return {name.data(), static_cast<size_t>(length)};
  }

  int64_t add(Counter counter, int64_t count) override {
    const std::lock_guard lock(mutex_);
    int64_t before = 0;
    MPI_Fetch_and_op(&count, &before, MPI_INT64_T, 0, static_cast<int>(counter), MPI_SUM,
                     counters_);
    MPI_Win_flush(0, counters_);
    return before;
  }

  void barrier() override { MPI_Barrier(world_); }

  std::vector<std::string> gather(const std::string& mine) override {
    const int length = static_cast<int>(mine.size());
    std::vector<int> lengths(static_cast<size_t>(size_)), starts(static_cast<size_t>(size_));
    MPI_Gather(&length, 1, MPI_INT, lengths.data(), 1, MPI_INT, 0, world_);
    std::exclusive_scan(lengths.begin(), lengths.end(), starts.begin(), 0);
    std::string all(rank_ == 0 ? static_cast<size_t>(starts.back() + lengths.back()) : 0, '\0');
    MPI_Gatherv(mine.data(), length, MPI_CHAR, all.data(), lengths.data(), starts.data(), MPI_CHAR,
                0, world_);
    if (rank_ != 0) return {};
    std::vector<std::string> texts;
    for (size_t i = 0; i < lengths.size(); ++i)
      texts.push_back(all.substr(static_cast<size_t>(starts[i]), static_cast<size_t>(lengths[i])));
    return texts;
  }

  std::string broadcast(const std::string& text) override {
    int64_t length = static_cast<int64_t>(text.size());
    MPI_Bcast(&length, 1, MPI_INT64_T, 0, world_);
    std::string received = rank_ == 0 ? text : std::string(static_cast<size_t>(length), '\0');
    MPI_Bcast(received.data(), static_cast<int>(length), MPI_CHAR, 0, world_);
    return received;
  }

  Post* post() override { return this; }

  [[noreturn]] void abort(int exit_code) override {
    MPI_Abort(world_, exit_code);
    std::_Exit(exit_code);
  }

 private:
  void send(std::span<const std::byte> bytes) override {
    transfer([&](MPI_Request& request) {
      MPI_Issend(bytes.data(), static_cast<int>(bytes.size()), MPI_BYTE, 0, kPostTag, world_,
                 &request);
    });
  }

  std::optional<Parcel> receive(std::optional<int> rank, const std::atomic<bool>& stop) override {
    MPI_Message message;
    MPI_Status status;
    for (Pause pause(kLongestIdle); !arrived(rank, message, status); pause.wait())
      if (stop) return std::nullopt;
    int bytes = 0;
    MPI_Get_count(&status, MPI_BYTE, &bytes);
    Parcel parcel{.rank = status.MPI_SOURCE,
                  .bytes = std::vector<std::byte>(static_cast<size_t>(bytes))};
    transfer([&](MPI_Request& request) {
      MPI_Imrecv(parcel.bytes.data(), bytes, MPI_BYTE, &message, &request);
    });
    return parcel;
  }

  bool arrived(std::optional<int> rank, MPI_Message& message, MPI_Status& status) {
    const std::lock_guard lock(mutex_);
    int found = 0;
    MPI_Improbe(rank.value_or(MPI_ANY_SOURCE), kPostTag, world_, &found, &message, &status);
    return found != 0;
  }

  /// Starts a transfer and waits for its end; add() may be called meanwhile.
  template <typename Start>
  void transfer(const Start& start) {
    MPI_Request request = MPI_REQUEST_NULL;
    {
      const std::lock_guard lock(mutex_);
      start(request);
    }
    for (Pause pause(kLongestTransfer); !ended(request); pause.wait()) {
    }
  }

  bool ended(MPI_Request& request) {
    const std::lock_guard lock(mutex_);
    int ended = 0;
    MPI_Test(&request, &ended, MPI_STATUS_IGNORE);
    return ended != 0;
  }

  /// Where the network does not add by itself, the rank that holds the counters has to call MPI now
  /// and then.
  void serve_counters() {
    while (!stopping_) {
      int found = 0;
      MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, world_, &found, MPI_STATUS_IGNORE);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  MPI_Comm world_ = MPI_COMM_NULL;
  MPI_Win counters_ = MPI_WIN_NULL;
  int rank_ = 0, size_ = 1, ranks_on_host_ = 1, rank_on_host_ = 0;
  std::mutex mutex_;  // of add() and the post: one call of MPI at a time
  std::atomic<bool> stopping_ = false;
  std::thread progress_;
};

}  // namespace
}  // namespace qk::parallel

qk::parallel::Job* qk_join_mpi_job() { return new qk::parallel::MpiJob; }
