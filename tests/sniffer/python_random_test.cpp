#include "sniffer/python_random.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "base/error.h"

namespace qk::sniffer {
namespace {

using testing::ElementsAre;

// Expected values: random.Random(seed).sample(range(population), count) of Python 3.11.

TEST(PythonSample, DrawsFromPoolWhenPopulationIsSmall) {
  EXPECT_THAT(python_sample(0, 10, 10), ElementsAre(6, 9, 0, 2, 4, 3, 5, 1, 8, 7));
  EXPECT_THAT(python_sample(7, 21, 5), ElementsAre(10, 4, 12, 1, 2));
  EXPECT_THAT(python_sample(7, 85, 6), ElementsAre(41, 19, 50, 6, 9, 68));
}

TEST(PythonSample, RejectsRepeatsWhenPopulationIsLarge) {
  EXPECT_THAT(python_sample(7, 22, 5), ElementsAre(10, 4, 12, 20, 1));
  EXPECT_THAT(python_sample(7, 86, 6), ElementsAre(41, 19, 50, 83, 6, 9));
}

TEST(PythonSample, TakesAbsoluteValueOfSeed) {
  constexpr int64_t kWide = (1LL << 40) + 5;  // two words of the seeding key
  EXPECT_THAT(python_sample(kWide, 1000, 4), ElementsAre(516, 529, 275, 679));
  EXPECT_THAT(python_sample(-kWide, 1000, 4), ElementsAre(516, 529, 275, 679));
  EXPECT_THAT(python_sample(std::numeric_limits<int64_t>::min(), 1000, 4),
              ElementsAre(566, 403, 963, 214));
}

TEST(PythonSample, OfNothingIsEmpty) { EXPECT_TRUE(python_sample(0, 5, 0).empty()); }

TEST(PythonSample, RejectsMoreThanThereAre) { EXPECT_THROW(python_sample(0, 5, 6), InternalError); }

}  // namespace
}  // namespace qk::sniffer
