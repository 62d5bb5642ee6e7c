#include "base/numbers.h"

#include <gtest/gtest.h>

namespace qk {
namespace {

TEST(Numbers, AreGroupedByThousands) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(12'345'678), "12,345,678");
}

TEST(Numbers, BytesHaveDecimalUnits) {
  EXPECT_EQ(readable_bytes(999), "999 B");
  EXPECT_EQ(readable_bytes(1'500), "1.5 kB");
  EXPECT_EQ(readable_bytes(3.2e9), "3.2 GB");
  EXPECT_EQ(readable_bytes(7e18), "7000.0 PB");
}

TEST(Numbers, RangesJoinNeighbours) {
  EXPECT_EQ(ranges(std::vector<int>{}), "");
  EXPECT_EQ(ranges(std::vector<int>{0, 1, 2, 5, 7, 8}), "0-2, 5, 7-8");
}

}  // namespace
}  // namespace qk
