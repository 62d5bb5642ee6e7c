#pragma once
/// The writer on its own thread, behind a queue that is bounded in bytes: the forward pass goes on
/// while rows are written, and waits when they come faster than the disk takes them.
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>

#include "saver/dataset_writer.h"

namespace qk::sniffer {

class WriterThread {
 public:
  /// queue_bytes: vectors held at most beside the batch being written. writer: must outlive this.
  WriterThread(saver::DatasetWriter& writer, int64_t queue_bytes);
  ~WriterThread();  ///< drops what is still queued; finish() first to keep it

  /// Adds a block of the pass in progress. Blocks that together are too large for memory leave
  /// early, in parts.
  void add(saver::RowBlock block);

  /// Ends the pass: its documents are done once the writer has them.
  void commit(std::vector<saver::Document> documents);

  /// Waits until everything is written. Rethrows what the writer threw.
  void finish();

  double seconds_waited() const {
    return seconds_waited_;
  }                                ///< of the calling thread, for room in the queue
  double seconds_writing() const;  ///< of the writer's thread
  double fill() const;             ///< of the queue, 0..1

 private:
  void work();
  void push();

  saver::DatasetWriter& writer_;
  const int64_t queue_bytes_;
  saver::CapturedBatch pending_;  // the calling thread's
  int64_t pending_bytes_ = 0;
  std::atomic<double> seconds_waited_ = 0;

  mutable std::mutex mutex_;  // guards everything below
  std::condition_variable changed_;
  std::deque<std::pair<saver::CapturedBatch, int64_t>> queue_;  // with bytes
  int64_t queued_bytes_ = 0;
  bool writing_ = false, stopping_ = false;
  double seconds_writing_ = 0;
  std::exception_ptr error_;
  std::thread thread_;
};

}  // namespace qk::sniffer
