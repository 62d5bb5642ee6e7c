#pragma once
/// Jobs whose ranks live in this process.
#include <array>
#include <atomic>
#include <barrier>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "parallel/job.h"

namespace qk::sniffer::testing {

/// What the ranks of a job share.
struct Host {
  explicit Host(int given_size) : size(given_size), meeting(given_size) {
    texts.resize(static_cast<size_t>(size));
  }

  const int size;
  std::array<std::atomic<int64_t>, parallel::kCounters> counters{};
  std::barrier<> meeting;
  std::vector<std::string> texts;  // of each rank, while they meet
};

/// Calls that all ranks make need a thread for each.
class RankHere : public parallel::Job {
 public:
  RankHere(int rank, Host& host) : rank_(rank), host_(host) {}
  int rank() const override { return rank_; }
  int size() const override { return host_.size; }
  int ranks_on_host() const override { return host_.size; }
  int rank_on_host() const override { return rank_; }
  std::string host() const override { return "here"; }
  int64_t add(parallel::Counter counter, int64_t count) override {
    return host_.counters[static_cast<size_t>(counter)].fetch_add(count);
  }
  void barrier() override { host_.meeting.arrive_and_wait(); }
  std::vector<std::string> gather(const std::string& mine) override {
    std::vector<std::string> all = exchange(mine);
    if (rank_ != 0) all.clear();
    return all;
  }
  std::string broadcast(const std::string& text) override { return exchange(text).front(); }
  [[noreturn]] void abort(int) override { std::abort(); }

 private:
  std::vector<std::string> exchange(const std::string& mine) {
    host_.texts[static_cast<size_t>(rank_)] = mine;
    barrier();
    std::vector<std::string> all = host_.texts;
    barrier();
    return all;
  }

  int rank_;
  Host& host_;
};

/// Each rank on a thread of its own.
inline void run_ranks(int count, const std::function<void(RankHere& job)>& work) {
  Host host(count);
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < count; ++rank) {
    threads.emplace_back([&, rank] {
      RankHere job(rank, host);
      work(job);
    });
  }
}

}  // namespace qk::sniffer::testing
