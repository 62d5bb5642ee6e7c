#pragma once
/// The processes that work on one capture together: one alone, those that it has started itself
/// (local_team.h), or the ranks that mpirun or srun started.
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace qk::parallel {

/// Counters that all ranks share; 0 at the start.
enum class Counter { Work, Documents, Tokens, Rows, Cost };
constexpr int kCounters = 5;

/// Every call but add() and abort() is made by all ranks, in the same order.
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
