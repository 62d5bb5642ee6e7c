#pragma once
/// The writer on threads of its own, behind a queue that is bounded in bytes: the forward pass goes
/// on while rows are written, and waits when they come faster than the disk takes them.
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "saver/dataset_writer.h"

namespace qk::sniffer {

/// One thread for each of the writer's lanes. A pass comes in units, at most one for each lane.
class WriterThreads {
 public:
  /// queue_bytes: of vectors that are queued or being written, beside half as much or one block
  /// that is not handed to a thread yet; two batches may be more. Blocks may share memory: where a
  /// thread lags, those that it has may keep others'. writer: must outlive this.
  WriterThreads(saver::DatasetWriter& writer, int64_t queue_bytes);
  ~WriterThreads();  ///< drops what is still queued; finish() first to keep it

  size_t lanes() const { return lanes_.size(); }

  /// Adds a block of the pass in progress. Blocks that together are too large for memory leave
  /// early, in parts.
  void add(saver::RowBlock block, size_t unit);

  /// Ends the pass: the documents of each unit are done once the writer has them.
  void commit(std::vector<std::vector<saver::Document>> units);

  /// Waits until everything is written. Rethrows what the writer threw.
  void finish();

  double seconds_waited() const {
    return seconds_waited_;
  }                     ///< of the calling thread, for room in the queue
  double fill() const;  ///< of the queue, 0..1

 private:
  struct Lane {
    saver::CapturedBatch pending;  // the calling thread's
    int64_t pending_bytes = 0;
    std::deque<std::pair<saver::CapturedBatch, int64_t>> queue;  // with bytes
  };

  Lane& lane_of(size_t unit) { return lanes_[(first_lane_ + unit) % lanes_.size()]; }
  void push(Lane& lane);
  void make_room(int64_t bytes);
  void stop();
  void work(int64_t number);
  std::exception_ptr write(const saver::CapturedBatch& batch, int64_t lane);

  saver::DatasetWriter& writer_;
  const int64_t queue_bytes_;
  size_t first_lane_ = 0;      // of the pass in progress
  int64_t pending_bytes_ = 0;  // of all lanes, the calling thread's too
  std::atomic<double> seconds_waited_ = 0;

  mutable std::mutex mutex_;  // guards the queues and everything below
  std::condition_variable changed_;
  std::vector<Lane> lanes_;
  int64_t batches_ = 0, bytes_ = 0;  // queued or being written
  bool stopping_ = false;
  std::exception_ptr error_;
  std::vector<std::thread> threads_;
};

}  // namespace qk::sniffer
