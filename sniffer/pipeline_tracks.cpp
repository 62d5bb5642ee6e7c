#include "sniffer/pipeline_tracks.h"

#include <ATen/Parallel.h>

#include <algorithm>

namespace qk::sniffer {

int64_t Turns::enter() {
  const std::scoped_lock lock(mutex_);
  present_.insert(next_);
  return next_++;
}

void Turns::wait(int64_t turn) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return error_ || *present_.begin() == turn; });
  if (error_) std::rethrow_exception(error_);
}

void Turns::leave(int64_t turn) {
  {
    const std::scoped_lock lock(mutex_);
    present_.erase(turn);
  }
  changed_.notify_all();
}

void Turns::close(std::exception_ptr error) {
  {
    const std::scoped_lock lock(mutex_);
    if (!error_) error_ = std::move(error);
  }
  changed_.notify_all();
}

Tracks::Tracks(size_t count, int threads) : work_(count) {
  try {
    for (size_t track = 0; track < count; ++track)
      threads_.emplace_back([this, track, threads] { run(track, threads); });
  } catch (...) {  // the system allows no more threads
    stop();
    throw;
  }
}

Tracks::~Tracks() { stop(); }

void Tracks::stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Tracks::start(std::function<void(size_t track)> work) {
  std::unique_lock lock(mutex_);
  const auto free = [&] { return std::ranges::find_if(work_, [](auto& w) { return !w; }); };
  changed_.wait(lock, [&] { return error_ || free() != work_.end(); });
  if (error_) std::rethrow_exception(error_);
  *free() = std::move(work);
  changed_.notify_all();
}

void Tracks::finish() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return std::ranges::none_of(work_, [](auto& w) { return !!w; }); });
  if (error_) std::rethrow_exception(error_);
}

void Tracks::run(size_t track, int threads) {
  at::set_num_threads(threads);
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stopping_ || work_[track]; });
    if (!work_[track]) return;
    lock.unlock();
    std::exception_ptr error;
    try {
      work_[track](track);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    work_[track] = nullptr;
    if (!error_) error_ = error;
    changed_.notify_all();
  }
}

}  // namespace qk::sniffer
