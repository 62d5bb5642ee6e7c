#include "sniffer/pipeline_lanes.h"

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

Lanes::Lanes(size_t count, int threads) : work_(count) {
  for (size_t lane = 0; lane < count; ++lane)
    threads_.emplace_back([this, lane, threads] { run(lane, threads); });
}

Lanes::~Lanes() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Lanes::start(std::function<void(size_t lane)> work) {
  std::unique_lock lock(mutex_);
  const auto free = [&] { return std::ranges::find_if(work_, [](auto& w) { return !w; }); };
  changed_.wait(lock, [&] { return error_ || free() != work_.end(); });
  if (error_) std::rethrow_exception(error_);
  *free() = std::move(work);
  changed_.notify_all();
}

void Lanes::finish() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return std::ranges::none_of(work_, [](auto& w) { return !!w; }); });
  if (error_) std::rethrow_exception(error_);
}

void Lanes::run(size_t lane, int threads) {
  at::set_num_threads(threads);
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stopping_ || work_[lane]; });
    if (!work_[lane]) return;
    lock.unlock();
    std::exception_ptr error;
    try {
      work_[lane](lane);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    work_[lane] = nullptr;
    if (!error_) error_ = error;
    changed_.notify_all();
  }
}

}  // namespace qk::sniffer
