#include "thread_ranks.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>
#include <utility>

#include "base/error.h"

namespace qk::saver::testing {

using Lock = std::unique_lock<std::mutex>;

class ThreadRanks::Rank final : public parallel::Job, private parallel::Post {
 public:
  Rank(ThreadRanks& all, int rank) : all_(all), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(all_.ranks_.size()); }
  int ranks_on_host() const override { return size(); }
  int rank_on_host() const override { return rank_; }
  std::string host() const override { return "host-" + std::to_string(rank_); }
  parallel::Post* post() override { return all_.with_post_ ? this : nullptr; }

  int64_t add(parallel::Counter counter, int64_t count) override {
    const std::scoped_lock lock(all_.mutex_);
    return std::exchange(all_.counters_[static_cast<size_t>(counter)],
                         all_.counters_[static_cast<size_t>(counter)] + count);
  }

  void barrier() override {
    Lock lock(all_.mutex_);
    all_.everybody_comes(lock);
  }

  std::vector<std::string> gather(const std::string& mine) override {
    Lock lock(all_.mutex_);
    all_.texts_[static_cast<size_t>(rank_)] = mine;
    all_.everybody_comes(lock);
    std::vector<std::string> texts;
    if (rank_ == 0) texts = all_.texts_;
    all_.everybody_comes(lock);
    return texts;
  }

  std::string broadcast(const std::string& text) override {
    Lock lock(all_.mutex_);
    if (rank_ == 0) all_.told_ = text;
    all_.everybody_comes(lock);
    std::string told = all_.told_;
    all_.everybody_comes(lock);
    return told;
  }

  [[noreturn]] void abort(int) override { std::terminate(); }

 private:
  void send(std::span<const std::byte> bytes) override {
    Lock lock(all_.mutex_);
    auto& place = all_.parcels_[static_cast<size_t>(rank_)];
    place.emplace(bytes.begin(), bytes.end());
    all_.changed_.notify_all();
    all_.wait(lock, [&] { return !place; });
  }

  std::optional<parallel::Parcel> receive(std::optional<int> rank,
                                          const std::atomic<bool>& stop) override {
    Lock lock(all_.mutex_);
    for (; !stop; all_.changed_.wait_for(lock, std::chrono::milliseconds(1))) {
      if (all_.error_) throw Interrupted("another rank has failed");
      for (int from = 1; from < size(); ++from) {
        auto& place = all_.parcels_[static_cast<size_t>(from)];
        if (!place || from != rank.value_or(from)) continue;
        all_.changed_.notify_all();
        return parallel::Parcel{.rank = from, .bytes = *std::exchange(place, std::nullopt)};
      }
    }
    return std::nullopt;
  }

  ThreadRanks& all_;
  const int rank_;
};

ThreadRanks::ThreadRanks(int count, bool with_post)
    : with_post_(with_post),
      texts_(static_cast<size_t>(count)),
      parcels_(static_cast<size_t>(count)) {
  for (int rank = 0; rank < count; ++rank) ranks_.push_back(std::make_unique<Rank>(*this, rank));
}

ThreadRanks::~ThreadRanks() = default;

parallel::Job& ThreadRanks::job(int rank) { return *ranks_[static_cast<size_t>(rank)]; }

void ThreadRanks::run(const std::function<void(parallel::Job&)>& work) {
  {
    std::vector<std::jthread> threads;
    for (const auto& rank : ranks_) {
      threads.emplace_back([&] {
        try {
          work(*rank);
        } catch (...) {
          fail(std::current_exception());
        }
      });
    }
  }
  if (error_) std::rethrow_exception(error_);
}

template <typename Condition>
void ThreadRanks::wait(Lock& lock, Condition&& holds) {
  changed_.wait(lock, [&] { return error_ || holds(); });
  if (!holds()) throw Interrupted("another rank has failed");
}

void ThreadRanks::everybody_comes(Lock& lock) {
  const int64_t meeting = meetings_;
  if (++waiting_ == static_cast<int>(ranks_.size())) {
    waiting_ = 0;
    ++meetings_;
    changed_.notify_all();
  }
  wait(lock, [&] { return meetings_ > meeting; });
}

void ThreadRanks::fail(std::exception_ptr error) {
  const std::scoped_lock lock(mutex_);
  if (!error_) error_ = std::move(error);
  changed_.notify_all();
}

}  // namespace qk::saver::testing
