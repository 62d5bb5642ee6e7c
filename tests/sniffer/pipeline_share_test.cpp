#include "sniffer/pipeline_share.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <queue>
#include <random>
#include <vector>

#include "tests/sniffer/ranks_here.h"

namespace qk::sniffer {
namespace {

using testing::Host;
using testing::RankHere;

using Order = std::vector<Stretch>;
using Costs = std::vector<int64_t>;

Order dataset_order(int64_t documents) {
  return documents == 0 ? Order{} : Order{{0, documents, documents}};
}

Order longest_first_of(const Costs& costs, int ranks) {
  CostProfile profile(0, ranks);
  for (size_t i = 0; i < costs.size(); ++i) profile.add(static_cast<int64_t>(i), costs[i]);
  const int64_t total = profile.cost();
  return longest_first(std::move(profile).stretches(total), ranks);
}

/// Many short documents, some long ones anywhere.
Costs mixed_costs(int64_t documents) {
  std::mt19937 draw(5);
  Costs costs(static_cast<size_t>(documents));
  for (int64_t& cost : costs) cost = draw() % 50 == 0 ? 2'000 + draw() % 60'000 : 1 + draw() % 900;
  return costs;
}

struct Ranks {
  Ranks(int count, const std::optional<Order>& order) : host(count) {
    for (int r = 0; r < count; ++r) jobs.emplace_back(r, host);
    for (RankHere& job : jobs) shares.emplace_back(job, order);
  }

  Host host;
  std::vector<RankHere> jobs;
  std::vector<WorkShare> shares;
};

struct Taken {
  size_t rank = 0;
  Chunk chunk;
};

/// Ranks that ask in a random order, until nothing is left, or what is asked for lies behind `end`.
std::vector<Taken> deal(int count, const std::optional<Order>& order, int64_t end, unsigned seed) {
  Ranks ranks(count, order);
  std::vector<size_t> going(ranks.shares.size());
  std::iota(going.begin(), going.end(), size_t{0});
  std::vector<Taken> taken;
  std::mt19937 draw(seed);
  while (!going.empty()) {
    const size_t turn = draw() % going.size(), rank = going[turn];
    const std::optional<Chunk> chunk = ranks.shares[rank].next();
    if (!chunk || chunk->begin >= end) {
      going.erase(going.begin() + static_cast<int64_t>(turn));
    } else {
      taken.push_back({rank, *chunk});
    }
  }
  return taken;
}

void expect_each_once(const std::vector<Taken>& taken, int64_t documents) {
  std::vector<int64_t> times(static_cast<size_t>(documents));
  for (const auto& [rank, chunk] : taken)
    for (int64_t i = chunk.begin; i < std::min(chunk.end, documents); ++i)
      ++times[static_cast<size_t>(i)];
  EXPECT_EQ(times, std::vector<int64_t>(times.size(), 1));
}

TEST(WorkShare, GivesEveryDocumentToOneRank) {
  for (const int ranks : {2, 3, 7}) {
    for (const int64_t documents : {0, 1, 5, 1000}) {
      SCOPED_TRACE(std::to_string(ranks) + " ranks, " + std::to_string(documents) + " documents");
      expect_each_once(deal(ranks, std::nullopt, documents, 7), documents);
      expect_each_once(deal(ranks, dataset_order(documents), documents, 7), documents);
      const Order order = longest_first_of(mixed_costs(documents), ranks);
      expect_each_once(deal(ranks, order, documents, 7), documents);
    }
  }
}

/// Whoever asks when.
TEST(WorkShare, CutsTheSameChunksInEveryInterleaving) {
  const Order order = longest_first_of(mixed_costs(3000), 5);
  const auto chunks = [&](unsigned seed) {
    std::vector<Chunk> all;
    for (const Taken& taken : deal(5, order, 3000, seed)) all.push_back(taken.chunk);
    return all;
  };
  EXPECT_EQ(chunks(1), chunks(2));
  EXPECT_EQ(chunks(1), chunks(3));
}

TEST(WorkShare, GivesLongDocumentsFirst) {
  const Costs costs = mixed_costs(3000);
  const int64_t share = std::accumulate(costs.begin(), costs.end(), int64_t{0}) / 4;
  int64_t least = share;  // of the long documents so far
  for (const auto& [rank, chunk] : deal(4, longest_first_of(costs, 4), 3000, 1)) {
    for (int64_t i = chunk.begin; i < chunk.end; ++i) {
      const int64_t cost = costs[static_cast<size_t>(i)];
      if (cost > share / kLongPerRank) {
        EXPECT_LT(cost, 2 * least + 2);
      }
      least = std::min(least, cost);
    }
  }
}

TEST(WorkShare, EndsWithSingleDocuments) {
  Ranks ranks(2, dataset_order(1000));
  Chunk last;
  while (const std::optional<Chunk> chunk = ranks.shares[0].next()) last = *chunk;
  EXPECT_EQ(last, (Chunk{999, 1000}));
}

TEST(WorkShare, EndsWithChunksOfTheLeastCost) {
  Host host(2);
  RankHere job(0, host);
  WorkShare share(job, Order{{0, 100, 1000}}, /*least_cost=*/50);
  int64_t end = 0;
  while (const std::optional<Chunk> chunk = share.next()) {
    EXPECT_GE(chunk->end - chunk->begin, std::min<int64_t>(5, 100 - chunk->begin));
    end = chunk->end;
  }
  EXPECT_EQ(end, 100);
}

TEST(WorkShare, OfOneProcessIsEverything) {
  const auto alone = parallel::job_alone();
  WorkShare share(*alone, dataset_order(10));
  EXPECT_EQ(share.next(), Chunk{});
  EXPECT_EQ(alone->add(parallel::Counter::Work, 0), 0);
}

/// When the last rank ends, where each asks for more once it has nothing left, as a multiple of
/// what no order can beat.
double makespan(const Costs& costs, int count, const Order& order) {
  Ranks ranks(count, order);
  using Event = std::pair<int64_t, size_t>;  // free from then on, rank
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events;
  for (size_t r = 0; r < ranks.shares.size(); ++r) events.emplace(0, r);
  int64_t end = 0;
  while (!events.empty()) {
    const auto [time, rank] = events.top();
    events.pop();
    end = std::max(end, time);
    const std::optional<Chunk> chunk = ranks.shares[rank].next();
    if (!chunk) continue;
    events.emplace(std::accumulate(costs.begin() + chunk->begin, costs.begin() + chunk->end, time),
                   rank);
  }
  const int64_t total = std::accumulate(costs.begin(), costs.end(), int64_t{0});
  const int64_t longest = *std::ranges::max_element(costs);
  return static_cast<double>(end) /
         std::max(static_cast<double>(total) / count, static_cast<double>(longest));
}

TEST(WorkShare, AVeryLongDocumentAtTheEndKeepsNobodyWaiting) {
  for (const int ranks : {2, 8, 64}) {
    SCOPED_TRACE(ranks);
    Costs costs(static_cast<size_t>(ranks) * 200, 1000);
    costs.push_back(200'000);
    const auto documents = std::ssize(costs);
    EXPECT_LT(makespan(costs, ranks, longest_first_of(costs, ranks)), 1.02);
    EXPECT_GT(makespan(costs, ranks, dataset_order(documents)), 1.3);
  }
}

/// A cluster of middle-sized documents between short ones, some of them long.
TEST(WorkShare, AnyMixtureEndsTogether) {
  for (const int ranks : {2, 4, 16}) {
    SCOPED_TRACE(ranks);
    Costs costs = mixed_costs(ranks * 400);
    const auto middle = static_cast<size_t>(ranks) * 190;
    for (size_t i = 0; i < 100; ++i) costs[middle + i] = 12'000;
    const double sorted = makespan(costs, ranks, longest_first_of(costs, ranks));
    EXPECT_LT(sorted, 1.03);
    EXPECT_LT(sorted, makespan(costs, ranks, dataset_order(std::ssize(costs))));
  }
}

}  // namespace
}  // namespace qk::sniffer
