#pragma once
/// Passes that are under way at the same time, each on a thread of its own. Where every GPU has its
/// own layers, a GPU takes in only so much work ahead: the thread that queues more has to wait, and
/// must not keep other passes from other GPUs.
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace qk::sniffer {

/// Passes hand their rows on one after another, in the order in which they entered. Safe to use
/// from several threads.
class Turns {
 public:
  int64_t enter();
  /// Until all that entered before have left. Rethrows what close() was given.
  void wait(int64_t turn);
  void leave(int64_t turn);
  /// After an error: nobody gets a turn any more. The first one counts.
  void close(std::exception_ptr error);

 private:
  std::mutex mutex_;  // guards everything below
  std::condition_variable changed_;
  std::set<int64_t> present_;
  int64_t next_ = 0;
  std::exception_ptr error_;
};

/// Threads that run one piece of work at a time each.
class Tracks {
 public:
  /// threads: of ATen, for each.
  Tracks(size_t count, int threads);
  ~Tracks();  ///< waits for work that has begun

  /// Runs work(track) on a free track, and waits until there is one. Rethrows what any work before
  /// has thrown first, and starts nothing then.
  void start(std::function<void(size_t track)> work);
  /// Waits for all work. Rethrows as start() does.
  void finish();

 private:
  void stop();
  void run(size_t track, int threads);

  std::mutex mutex_;  // guards everything below
  std::condition_variable changed_;
  std::vector<std::function<void(size_t)>> work_;  // by track; empty: free
  std::exception_ptr error_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace qk::sniffer
