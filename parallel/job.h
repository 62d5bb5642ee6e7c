#pragma once
/// The processes that work on one capture together: one alone, those that it has started itself
/// (local_team.h), or the ranks that mpirun or srun started.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace qk::parallel {

/// Counters that all ranks share; 0 at the start.
enum class Counter { Work, Documents, Tokens, Rows, Cost };
constexpr int kCounters = 5;

struct Parcel {
  int rank = 0;  ///< who has sent it
  std::vector<std::byte> bytes;
};

/// Carries bytes from the other ranks to rank 0; Job::add() may be called meanwhile. Nothing is
/// kept on the way: who sends waits for rank 0.
class Post {
 public:
  virtual ~Post() = default;

  /// Not on rank 0. Returns once rank 0 has taken the bytes, up to 2 GiB; none are a parcel too.
  /// One thread at a time.
  virtual void send(std::span<const std::byte> bytes) = 0;

  /// On rank 0: what `rank` has sent next, or whichever rank if it is nullopt. nullopt: `stop` was
  /// set while nothing came. One thread at a time.
  virtual std::optional<Parcel> receive(std::optional<int> rank, const std::atomic<bool>& stop) = 0;
};

/// Every call but add(), post() and abort() is made by all ranks, in the same order.
class Job {
 public:
  virtual ~Job() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// How many ranks of this job run on this host, this one included.
  virtual int ranks_on_host() const = 0;
  virtual int rank_on_host() const = 0;
  virtual std::string host() const = 0;
  /// Whether each rank of this host may use all cores that this one may use.
  virtual bool shares_cores() const { return false; }

  /// Adds to a counter; returns what it was before. From any thread.
  virtual int64_t add(Counter counter, int64_t count) = 0;

  virtual void barrier() = 0;
  /// On rank 0: each rank's text, by rank; elsewhere empty.
  virtual std::vector<std::string> gather(const std::string& mine) = 0;
  /// Rank 0's text.
  virtual std::string broadcast(const std::string& text) = 0;

  /// Null: the ranks are on one host and share its files, nothing has to be sent. No bytes may be
  /// on their way when the job ends.
  virtual Post* post() { return nullptr; }

  /// A flag of all ranks, for the signals of each, that stays as long as the process; null: whoever
  /// started the ranks passes signals on.
  virtual std::atomic<bool>* stop_flag() { return nullptr; }
  /// Whether this rank tells the user why it ends the job with this code: one does where several
  /// fail.
  virtual bool tells_failure(int exit_code) {
    static_cast<void>(exit_code);
    return true;
  }

  /// Ends all ranks at once. From any thread; what the others have not written is lost.
  [[noreturn]] virtual void abort(int exit_code) = 0;
};

/// The job that mpirun or srun has started this process for: waits for its other ranks. Null:
/// neither has. Throws ConfigError when srun started several processes that can't find one another.
std::unique_ptr<Job> join_job();

/// A job of this process alone.
std::unique_ptr<Job> job_alone();

std::string host_name();

}  // namespace qk::parallel
