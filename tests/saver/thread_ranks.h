#pragma once
/// The ranks of a job as threads of the test.
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "parallel/job.h"

namespace qk::saver::testing {

/// Where the ranks meet.
class ThreadRanks {
 public:
  explicit ThreadRanks(int count, bool with_post = true);
  ~ThreadRanks();

  /// Runs `work` as each rank. What the first one to fail throws ends the others, and is thrown.
  void run(const std::function<void(parallel::Job&)>& work);

  parallel::Job& job(int rank);

 private:
  class Rank;

  /// Waits for what another rank does; throws Interrupted where a rank has failed.
  template <typename Condition>
  void wait(std::unique_lock<std::mutex>& lock, Condition&& holds);
  void everybody_comes(std::unique_lock<std::mutex>& lock);
  void fail(std::exception_ptr error);

  const bool with_post_;
  std::vector<std::unique_ptr<Rank>> ranks_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::exception_ptr error_;
  int waiting_ = 0;
  int64_t meetings_ = 0;
  std::vector<std::string> texts_;
  std::string told_;
  int64_t counters_[parallel::kCounters] = {};
  std::vector<std::optional<std::vector<std::byte>>> parcels_;  // by who sends, until it is taken
};

}  // namespace qk::saver::testing
