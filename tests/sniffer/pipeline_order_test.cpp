#include "sniffer/pipeline_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace qk::sniffer {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::Le;
using ::testing::SizeIs;

std::vector<Stretch> order_of(const std::vector<int64_t>& costs, int ranks) {
  CostProfile profile(0, ranks);
  for (size_t i = 0; i < costs.size(); ++i) profile.add(static_cast<int64_t>(i), costs[i]);
  const int64_t total = profile.cost();
  return longest_first(std::move(profile).stretches(total), ranks);
}

/// Documents of the dataset, as the stretches have them one after the other.
std::vector<int64_t> documents_of(const std::vector<Stretch>& order) {
  std::vector<int64_t> documents;
  for (const Stretch& stretch : order)
    for (int64_t i = stretch.begin; i < stretch.end; ++i) documents.push_back(i);
  return documents;
}

TEST(LongestFirst, PutsLongDocumentsBeforeTheOthersInClassesByHalves) {
  std::vector<int64_t> costs(1000, 1);
  costs[100] = 40;
  costs[200] = 400;
  costs[300] = 90;
  costs[400] = 600;
  costs[500] = 70;
  // Two ranks: 1,097 each. A half, a quarter, ...: 548, 274, 137, 68, 34, 17.
  const std::vector<Stretch> order = order_of(costs, 2);
  ASSERT_GT(order.size(), 6u);
  EXPECT_THAT(std::vector<Stretch>(order.begin(), order.begin() + 5),
              ElementsAre(Stretch{400, 401, 600}, Stretch{200, 201, 400}, Stretch{300, 301, 90},
                          Stretch{500, 501, 70}, Stretch{100, 101, 40}));
  EXPECT_EQ(order[5].begin, 0);
  EXPECT_THAT(std::vector<Stretch>(order.begin() + 5, order.end()),
              Each(Field(&Stretch::cost, Le(17))));
}

TEST(LongestFirst, HasEveryDocumentOnceAndItsCost) {
  std::mt19937 draw(3);
  std::lognormal_distribution<double> length(6, 2);
  for (const int ranks : {2, 3, 8, 64}) {
    std::vector<int64_t> costs(20'000);
    for (int64_t& cost : costs) cost = 1 + static_cast<int64_t>(length(draw));
    const std::vector<Stretch> order = order_of(costs, ranks);
    std::vector<int64_t> documents = documents_of(order);
    std::ranges::sort(documents);
    ASSERT_THAT(documents, SizeIs(costs.size()));
    for (size_t i = 0; i < documents.size(); ++i) ASSERT_EQ(documents[i], static_cast<int64_t>(i));
    for (const Stretch& stretch : order) {
      int64_t cost = 0;
      for (int64_t i = stretch.begin; i < stretch.end; ++i) cost += costs[static_cast<size_t>(i)];
      ASSERT_EQ(cost, stretch.cost);
    }
  }
}

TEST(LongestFirst, IsDatasetOrderWhereNoDocumentIsLong) {
  std::vector<int64_t> costs;
  for (int64_t i = 0; i < 10'000; ++i) costs.push_back(1 + i % 50);
  const std::vector<Stretch> order = order_of(costs, 8);
  EXPECT_TRUE(std::ranges::is_sorted(order, {}, &Stretch::begin));
  EXPECT_THAT(order, SizeIs(Le(2 * 8 * kLongPerRank + 1)));
}

TEST(LongestFirst, OfNothingIsNothing) {
  EXPECT_THAT(order_of({}, 2), SizeIs(0));
  EXPECT_THAT(order_of({1}, 2), ElementsAre(Stretch{0, 1, 1}));
}

TEST(CostProfile, DoesNotGrowWithTheDataset) {
  CostProfile profile(0, 2);
  for (int64_t i = 0; i < 1'000'000; ++i) profile.add(i, 1 + i % 7);
  EXPECT_THAT(std::move(profile).stretches(profile.cost()), SizeIs(Le(2 * 2 * kLongPerRank + 1)));
}

TEST(CostProfile, CoversWhatIsDoneWithoutItsCost) {
  CostProfile profile(10, 2);
  profile.add(13, 5);
  profile.add(20, 7);
  EXPECT_THAT(std::move(profile).stretches(12),
              ElementsAre(Stretch{10, 14, 5}, Stretch{14, 21, 7}));
}

}  // namespace
}  // namespace qk::sniffer
