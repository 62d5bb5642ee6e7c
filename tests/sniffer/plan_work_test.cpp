#include "sniffer/plan_work.h"

#include <gtest/gtest.h>

namespace qk::sniffer {
namespace {

/// Two layers; of the second one only queries.
int64_t cost(std::optional<int64_t> window, int64_t tokens) {
  models::DecoderSpec spec;
  spec.hidden = 64;
  spec.mlp = 128;
  spec.query_heads = spec.key_heads = 4;
  spec.head_dim = 16;
  spec.layers.assign(2, {.window = window});
  const std::vector<models::WantedLayer> wanted = {{.queries = true}, {.queries = true}};
  return cost_of_tokens(spec, wanted)(tokens);
}

TEST(CostOfTokens, GrowsWithTheSquareUnderFullAttention) {
  EXPECT_EQ(cost({}, 0), 0);
  EXPECT_EQ(cost({}, 1), 1);
  const double once = static_cast<double>(cost({}, 1'000'000));
  EXPECT_NEAR(static_cast<double>(cost({}, 2'000'000)) / once, 4, 0.01);
}

TEST(CostOfTokens, GrowsWithTheTokensUnderAWindow) {
  const double once = static_cast<double>(cost(32, 1'000'000));
  EXPECT_NEAR(static_cast<double>(cost(32, 2'000'000)) / once, 2, 0.01);
}

}  // namespace
}  // namespace qk::sniffer
