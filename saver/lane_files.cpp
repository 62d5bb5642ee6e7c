#include "saver/lane_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "base/fault_point.h"
#include "saver/spool_format.h"

namespace qk::saver {
namespace fs = std::filesystem;
namespace {

constexpr auto kSyncInterval = std::chrono::seconds(5);
constexpr uint64_t kSyncBytes = 256ULL << 20;

uint64_t bytes_of(const std::vector<iovec>& parts) {
  uint64_t bytes = 0;
  for (const iovec& part : parts) bytes += part.iov_len;
  return bytes;
}

}  // namespace

/// Makes written segments durable in the background. An error comes out of the next wrote().
class LaneFiles::Syncer {
 public:
  explicit Syncer(fs::path folder) : folder_(std::move(folder)), thread_([this] { run(); }) {}

  ~Syncer() {
    {
      std::scoped_lock lock(mutex_);
      finished_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  void wrote(const std::shared_ptr<Fd>& segment, uint64_t bytes) {
    std::scoped_lock lock(mutex_);
    if (error_) std::rethrow_exception(error_);
    if (dirty_.empty() || dirty_.back() != segment) dirty_.push_back(segment);
    dirty_bytes_ += bytes;
    if (dirty_bytes_ >= kSyncBytes) wake_.notify_one();
  }

  void forget() {
    std::scoped_lock lock(mutex_);
    dirty_.clear();
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    for (bool last = false; !last;) {
      wake_.wait_for(lock, kSyncInterval, [&] { return finished_ || dirty_bytes_ >= kSyncBytes; });
      last = finished_;
      const std::vector<std::shared_ptr<Fd>> segments = std::exchange(dirty_, {});
      dirty_bytes_ = 0;
      lock.unlock();
      const std::exception_ptr error = sync(segments);
      lock.lock();
      if (error) error_ = error;
    }
  }

  std::exception_ptr sync(const std::vector<std::shared_ptr<Fd>>& segments) const {
    try {
      for (const auto& segment : segments) sync_data(*segment, folder_);
      if (!segments.empty()) sync_folder(folder_);  // their names
      fault::point("spool.synced");
      return nullptr;
    } catch (const Error&) {
      return std::current_exception();
    }
  }

  fs::path folder_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::shared_ptr<Fd>> dirty_;
  uint64_t dirty_bytes_ = 0;
  bool finished_ = false;
  std::exception_ptr error_;
  std::thread thread_;
};

LaneFiles::LaneFiles(fs::path folder, int64_t lane, LaneEnd end, uint64_t segment_bytes)
    : folder_(std::move(folder)),
      lane_(lane),
      end_(std::move(end)),
      segment_bytes_(segment_bytes) {}

LaneFiles::~LaneFiles() = default;

void LaneFiles::forget_unsynced() {
  if (syncer_) syncer_->forget();
}

void LaneFiles::open_segment() {
  const bool full = !end_.segments.empty() && end_.segments.back() >= segment_bytes_;
  if (segment_ && !full) return;
  segment_.reset();
  if (end_.segments.empty() || full) end_.segments.push_back(0);
  const uint64_t end = end_.segments.back();
  auto segment = std::make_shared<Fd>(open_fd(file(), O_WRONLY | O_APPEND | O_CREAT));
  if (::ftruncate(segment->get(), static_cast<off_t>(end)) != 0)
    throw io_error("cut", file(), errno);
  segment_ = std::move(segment);
  fault::point("spool.segment");
  if (!syncer_) syncer_ = std::make_unique<Syncer>(folder_);
}

fs::path LaneFiles::file() const { return segment_file(folder_, lane_, end_.segments.size() - 1); }

void LaneFiles::write(std::vector<iovec> parts) {
  if (written_ == 0) open_segment();
  written_ += bytes_of(parts);
  try {
    write_fully(*segment_, std::move(parts), file());
  } catch (const OutputError&) {
    segment_.reset();  // opening it again cuts off what was written of the record
    written_ = 0;
    throw;
  }
}

std::optional<SpoolUnit> LaneFiles::end_record(std::span<const Document> documents) {
  fault::point("spool.appended");
  if (unit_.records++ == 0) {
    unit_.segment = end_.segments.size() - 1;
    unit_.begin = end_.segments.back();
  }
  const uint64_t bytes = std::exchange(written_, 0);
  unit_.bytes += bytes;
  end_.segments.back() += bytes;
  ++end_.next_sequence;
  end_.documents += documents.size();
  syncer_->wrote(segment_, bytes);
  return documents.empty() ? std::nullopt : std::optional(end_unit(documents));
}

SpoolUnit LaneFiles::end_unit(std::span<const Document> documents) {
  unit_.lane = lane_;
  unit_.first_document = documents.front().index;
  unit_.documents = static_cast<int64_t>(documents.size());
  return std::exchange(unit_, {});
}

}  // namespace qk::saver
