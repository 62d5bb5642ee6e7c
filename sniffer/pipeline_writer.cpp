#include "sniffer/pipeline_writer.h"

#include <algorithm>

#include "base/stopwatch.h"

namespace qk::sniffer {

WriterThreads::WriterThreads(saver::DatasetWriter& writer, int64_t queue_bytes)
    : writer_(writer), queue_bytes_(queue_bytes), lanes_(static_cast<size_t>(writer.lanes())) {
  try {
    for (int64_t lane = 0; lane < writer.lanes(); ++lane)
      threads_.emplace_back([this, lane] { work(lane); });
  } catch (...) {  // the system allows no more threads
    stop();
    throw;
  }
}

WriterThreads::~WriterThreads() { stop(); }

void WriterThreads::stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void WriterThreads::add(saver::RowBlock block, size_t unit) {
  Lane& lane = lane_of(unit);
  const auto bytes = static_cast<int64_t>(block.vectors.size());
  const bool repeats = std::ranges::any_of(lane.pending.blocks, [&](const saver::RowBlock& other) {
    return other.group == block.group;
  });
  if (repeats) push(lane);
  make_room(bytes);
  lane.pending.blocks.push_back(std::move(block));
  lane.pending_bytes += bytes;
  pending_bytes_ += bytes;
}

void WriterThreads::make_room(int64_t bytes) {
  while (pending_bytes_ > 0 && pending_bytes_ + bytes > queue_bytes_ / 2)
    push(*std::ranges::max_element(lanes_, {}, &Lane::pending_bytes));
}

void WriterThreads::commit(std::vector<std::vector<saver::Document>> units) {
  for (size_t unit = 0; unit < units.size(); ++unit) {
    lane_of(unit).pending.documents = std::move(units[unit]);
    push(lane_of(unit));
  }
  first_lane_ += units.size();
}

void WriterThreads::push(Lane& lane) {
  if (lane.pending.blocks.empty() && lane.pending.documents.empty()) return;
  const Stopwatch watch;
  std::unique_lock lock(mutex_);
  changed_.wait(
      lock, [&] { return error_ || batches_ < 2 || bytes_ + lane.pending_bytes <= queue_bytes_; });
  if (error_) std::rethrow_exception(error_);
  ++batches_;
  bytes_ += lane.pending_bytes;
  pending_bytes_ -= lane.pending_bytes;
  lane.queue.emplace_back(std::exchange(lane.pending, {}), std::exchange(lane.pending_bytes, 0));
  seconds_waited_ += watch.seconds();
  changed_.notify_all();
}

void WriterThreads::finish() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return error_ || batches_ == 0; });
  if (error_) std::rethrow_exception(error_);
}

double WriterThreads::fill() const {
  const std::scoped_lock lock(mutex_);
  return std::min(1.0, static_cast<double>(bytes_) / static_cast<double>(queue_bytes_));
}

void WriterThreads::work(int64_t number) {
  auto& queue = lanes_[static_cast<size_t>(number)].queue;
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stopping_ || error_ || !queue.empty(); });
    if (stopping_ || error_) return;
    const auto [batch, bytes] = std::move(queue.front());
    queue.pop_front();
    lock.unlock();
    const std::exception_ptr error = write(batch, number);
    lock.lock();
    --batches_;
    bytes_ -= bytes;
    if (error && !error_) error_ = error;
    changed_.notify_all();
  }
}

std::exception_ptr WriterThreads::write(const saver::CapturedBatch& batch, int64_t lane) {
  try {
    writer_.append(batch, lane);
    return nullptr;
  } catch (...) {
    return std::current_exception();
  }
}

}  // namespace qk::sniffer
