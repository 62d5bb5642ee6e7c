#include "base/index_set.h"

#include <gmock/gmock.h>

#include <limits>
#include <random>
#include <set>

namespace qk {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(IndexSet, RunsThatTouchBecomeOne) {
  IndexSet set;
  set.add(10, 20);
  set.add(30, 40);
  EXPECT_THAT(set.runs(), ElementsAre(Pair(10, 20), Pair(30, 40)));
  set.add(20, 30);
  EXPECT_THAT(set.runs(), ElementsAre(Pair(10, 40)));
  set.add(5, 50);
  set.add(60, 60);
  EXPECT_THAT(set.runs(), ElementsAre(Pair(5, 50)));
  EXPECT_EQ(set.count(), 45);
}

TEST(IndexSet, AnEmptyOneHasNothing) {
  const IndexSet set;
  EXPECT_EQ(set.count(), 0);
  EXPECT_EQ(set.next_missing(7), 7);
  EXPECT_EQ(set.next_present(0), std::numeric_limits<int64_t>::max());
  EXPECT_FALSE(set.intersects(0, 100));
}

TEST(IndexSet, AgreesWithASetOfNumbers) {
  std::mt19937 random(5);
  for (int round = 0; round < 200; ++round) {
    IndexSet set;
    std::set<int64_t> numbers;
    for (int i = 0; i < 6; ++i) {
      const int64_t begin = random() % 40, end = begin + random() % 6;
      set.add(begin, end);
      for (int64_t n = begin; n < end; ++n) numbers.insert(n);
    }
    ASSERT_EQ(set.count(), static_cast<int64_t>(numbers.size()));
    for (int64_t index = 0; index < 50; ++index) {
      int64_t missing = index;
      while (numbers.contains(missing)) ++missing;
      ASSERT_EQ(set.next_missing(index), missing);
      const auto present = numbers.lower_bound(index);
      ASSERT_EQ(set.next_present(index),
                present == numbers.end() ? std::numeric_limits<int64_t>::max() : *present);
      ASSERT_EQ(set.intersects(index, index + 3), present != numbers.end() && *present < index + 3);
    }
  }
}

}  // namespace
}  // namespace qk
