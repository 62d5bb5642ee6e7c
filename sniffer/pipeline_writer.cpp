#include "sniffer/pipeline_writer.h"

#include <algorithm>

#include "base/stopwatch.h"

namespace qk::sniffer {

WriterThread::WriterThread(saver::DatasetWriter& writer, int64_t queue_bytes)
    : writer_(writer), queue_bytes_(queue_bytes), thread_([this] { work(); }) {}

WriterThread::~WriterThread() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void WriterThread::add(saver::RowBlock block) {
  const auto bytes = static_cast<int64_t>(block.vectors.size());
  const bool repeats = std::ranges::any_of(
      pending_.blocks, [&](const saver::RowBlock& other) { return other.group == block.group; });
  if (repeats || pending_bytes_ + bytes > queue_bytes_ / 2) push();
  pending_.blocks.push_back(std::move(block));
  pending_bytes_ += bytes;
}

void WriterThread::commit(std::vector<saver::Document> documents) {
  pending_.documents = std::move(documents);
  push();
}

void WriterThread::push() {
  if (pending_.blocks.empty() && pending_.documents.empty()) return;
  const Stopwatch watch;
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    return error_ || queue_.empty() || queued_bytes_ + pending_bytes_ <= queue_bytes_;
  });
  if (error_) std::rethrow_exception(error_);
  queue_.emplace_back(std::move(pending_), pending_bytes_);
  queued_bytes_ += pending_bytes_;
  pending_ = {};
  pending_bytes_ = 0;
  seconds_waited_ += watch.seconds();
  changed_.notify_all();
}

void WriterThread::finish() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return error_ || (queue_.empty() && !writing_); });
  if (error_) std::rethrow_exception(error_);
}

double WriterThread::seconds_writing() const {
  const std::scoped_lock lock(mutex_);
  return seconds_writing_;
}

double WriterThread::fill() const {
  const std::scoped_lock lock(mutex_);
  return std::min(1.0, static_cast<double>(queued_bytes_) / static_cast<double>(queue_bytes_));
}

void WriterThread::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    const auto [batch, bytes] = std::move(queue_.front());
    queue_.pop_front();
    writing_ = true;
    lock.unlock();
    const Stopwatch watch;
    std::exception_ptr error;
    try {
      writer_.append(batch);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    seconds_writing_ += watch.seconds();
    writing_ = false;
    queued_bytes_ -= bytes;
    if (error) error_ = error;
    changed_.notify_all();
    if (error) return;
  }
}

}  // namespace qk::sniffer
