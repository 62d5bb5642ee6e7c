#include "kernels/attention.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

namespace qk::kernels {
namespace {

struct Shape {
  int64_t tokens, query_heads, key_heads, head_dim;
  std::optional<int64_t> window;
};

class CausalAttention : public testing::TestWithParam<std::tuple<Shape, at::ScalarType>> {};

TEST_P(CausalAttention, EqualsTheFormula) {
  const auto& [shape, dtype] = GetParam();
  at::Generator generator = at::detail::createCPUGenerator(3);
  const auto vectors = [&](int64_t heads) {
    return at::randn({shape.tokens, heads, shape.head_dim}, generator).to(dtype);
  };
  const at::Tensor q = vectors(shape.query_heads), k = vectors(shape.key_heads),
                   v = vectors(shape.key_heads);
  const at::Tensor fused = causal_attention(q, k, v, 0.25, shape.window).to(at::kFloat);
  const at::Tensor formula = causal_attention_reference(q, k, v, 0.25, shape.window).to(at::kFloat);
  const double tolerance = dtype == at::kFloat ? 1e-5 : 1e-2;
  EXPECT_LT((fused - formula).norm().item<double>(), tolerance * formula.norm().item<double>());
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, CausalAttention,
    testing::Combine(testing::Values(Shape{1, 4, 4, 16, {}}, Shape{33, 4, 2, 16, {}},
                                     Shape{700, 6, 2, 8, {}}, Shape{700, 3, 1, 64, 17},
                                     Shape{700, 4, 2, 16, 600}, Shape{40, 4, 2, 16, 40},
                                     Shape{1100, 2, 1, 16, 1}),
                     testing::Values(at::kFloat, at::kBFloat16)));

TEST(CausalAttention, AWindowAsLongAsTheDocumentHidesNothing) {
  const at::Tensor x = at::randn({50, 2, 8});
  EXPECT_TRUE(
      at::equal(causal_attention(x, x, x, 0.3, 50), causal_attention(x, x, x, 0.3, std::nullopt)));
  EXPECT_FALSE(
      at::equal(causal_attention(x, x, x, 0.3, 49), causal_attention(x, x, x, 0.3, std::nullopt)));
}

}  // namespace
}  // namespace qk::kernels
