#include "sniffer/pipeline_share.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <random>
#include <vector>

namespace qk::sniffer {
namespace {

/// One rank of a job whose ranks live in this process.
class RankHere : public parallel::Job {
 public:
  RankHere(int rank, int size, std::atomic<int64_t>& work)
      : rank_(rank), size_(size), work_(work) {}
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  int ranks_on_host() const override { return size_; }
  int rank_on_host() const override { return rank_; }
  std::string host() const override { return "here"; }
  int64_t add(parallel::Counter, int64_t count) override { return work_.fetch_add(count); }
  void barrier() override {}
  std::vector<std::string> gather(const std::string&) override { return {}; }
  std::string broadcast(const std::string& text) override { return text; }
  [[noreturn]] void abort(int) override { std::abort(); }

 private:
  int rank_, size_;
  std::atomic<int64_t>& work_;
};

/// Ranks that ask in a random order; who took which document.
std::vector<std::vector<int64_t>> deal(int ranks, int64_t documents, bool known) {
  std::atomic<int64_t> work = 0;
  std::vector<RankHere> jobs;
  for (int r = 0; r < ranks; ++r) jobs.emplace_back(r, ranks, work);
  std::vector<WorkShare> shares;
  for (RankHere& job : jobs)
    shares.emplace_back(job, known ? std::optional(documents) : std::nullopt);
  std::vector<std::vector<int64_t>> taken(jobs.size());
  std::vector<int64_t> at(jobs.size());
  std::vector<size_t> going(jobs.size());
  std::iota(going.begin(), going.end(), size_t{0});
  std::mt19937 draw(7);
  while (!going.empty()) {
    const size_t turn = draw() % going.size(), r = going[turn];
    const int64_t index = shares[r].next(at[r]);
    if (index >= documents) {
      going.erase(going.begin() + static_cast<int64_t>(turn));
      continue;
    }
    taken[r].push_back(index);
    at[r] = index + 1;
  }
  return taken;
}

TEST(WorkShare, GivesEveryDocumentToOneRank) {
  for (const int ranks : {1, 2, 3, 7}) {
    for (const int64_t documents : {0, 1, 5, 1000}) {
      for (const bool known : {true, false}) {
        std::vector<int64_t> all;
        for (const auto& taken : deal(ranks, documents, known)) {
          EXPECT_TRUE(std::ranges::is_sorted(taken));
          all.insert(all.end(), taken.begin(), taken.end());
        }
        std::ranges::sort(all);
        std::vector<int64_t> expected(static_cast<size_t>(documents));
        std::iota(expected.begin(), expected.end(), 0);
        EXPECT_EQ(all, expected) << ranks << " ranks, " << documents << " documents";
      }
    }
  }
}

TEST(WorkShare, EndsWithSingleDocuments) {
  std::atomic<int64_t> work = 0;
  RankHere job(0, 2, work);
  WorkShare share(job, 1000);
  EXPECT_EQ(share.next(990), 990);
  work += 1;  // the other rank takes the next chunk
  EXPECT_EQ(share.next(991), 992);
}

TEST(WorkShare, OfOneProcessIsEverything) {
  const auto alone = parallel::job_alone();
  WorkShare share(*alone, 10);
  EXPECT_EQ(share.next(3), 3);
  EXPECT_EQ(alone->add(parallel::Counter::Work, 0), 0);
}

}  // namespace
}  // namespace qk::sniffer
