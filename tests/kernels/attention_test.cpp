#include "kernels/attention.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

namespace qk::kernels {
namespace {

struct Shape {
  int64_t tokens, query_heads, key_heads, head_dim;
  std::optional<int64_t> window;
};

class CausalAttention : public testing::TestWithParam<std::tuple<Shape, at::ScalarType>> {};

/// One document, as long as x.
Documents whole(const at::Tensor& x) { return {.offsets = {0, x.size(0)}}; }

double relative_error(const at::Tensor& x, const at::Tensor& expected) {
  const at::Tensor wide = expected.to(at::kDouble);
  return ((x.to(at::kDouble) - wide).norm() / wide.norm()).item<double>();
}

TEST_P(CausalAttention, EqualsTheFormula) {
  const auto& [shape, dtype] = GetParam();
  at::Generator generator = at::detail::createCPUGenerator(3);
  const auto vectors = [&](int64_t heads) {
    return at::randn({shape.tokens, heads, shape.head_dim}, generator).to(dtype);
  };
  const at::Tensor q = vectors(shape.query_heads), k = vectors(shape.key_heads),
                   v = vectors(shape.key_heads);
  const AttentionShape how{.scale = 0.25, .window = shape.window};
  EXPECT_LT(relative_error(causal_attention(q, k, v, whole(q), how),
                           causal_attention_reference(q, k, v, whole(q), how)),
            dtype == at::kFloat ? 1e-5 : 1e-2);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, CausalAttention,
    testing::Combine(testing::Values(Shape{1, 4, 4, 16, {}}, Shape{33, 4, 2, 16, {}},
                                     Shape{700, 6, 2, 8, {}}, Shape{700, 3, 1, 64, 17},
                                     Shape{700, 4, 2, 16, 600}, Shape{40, 4, 2, 16, 40},
                                     Shape{1100, 2, 1, 16, 1}),
                     testing::Values(at::kFloat, at::kBFloat16)));

TEST(CausalAttention, GivesAHeadTheSameBitsWhicheverThreadHasIt) {
  const int threads = at::get_num_threads();
  at::set_num_threads(2);
  for (const int64_t tokens : {18, 530}) {
    const at::Tensor q = at::randn({tokens, 12, 8}), k = at::randn({tokens, 6, 8});
    for (const std::optional<int64_t> window :
         {std::optional<int64_t>(), std::optional<int64_t>(17)}) {
      const AttentionShape shape{.scale = 0.3, .window = window};
      const at::Tensor all = causal_attention(q, k, k, whole(q), shape);
      const at::Tensor keys = k.narrow(1, 0, 3);
      const at::Tensor half = causal_attention(q.narrow(1, 0, 6), keys, keys, whole(q), shape);
      EXPECT_TRUE(at::equal(half, all.narrow(1, 0, 6 * 8))) << tokens;
    }
  }
  at::set_num_threads(threads);
}

TEST(CausalAttentionOfRows, GivesThoseRowsOfTheWhole) {
  const at::Tensor x = at::randn({200, 2, 16});
  const Documents documents{.offsets = {0, 100, 100, 170}};
  const std::vector<int32_t> rows = {0, 99, 100, 169};
  const at::Tensor all = causal_attention(x, x, x, documents, {.scale = 0.3});
  const at::Tensor some = causal_attention_of_rows(x, x, x, documents, {.scale = 0.3}, {rows, 6});
  EXPECT_TRUE(at::equal(some.narrow(0, 0, 4),
                        all.index_select(0, at::tensor({0, 99, 100, 169}, at::kLong))));
  EXPECT_EQ(some.narrow(0, 4, 2).abs().max().item<float>(), 0);
}

TEST(CausalAttention, AWindowAsLongAsTheDocumentHidesNothing) {
  const at::Tensor x = at::randn({50, 2, 8});
  const auto with_window = [&](std::optional<int64_t> window) {
    return causal_attention(x, x, x, whole(x), {.scale = 0.3, .window = window});
  };
  EXPECT_TRUE(at::equal(with_window(50), with_window(std::nullopt)));
  EXPECT_FALSE(at::equal(with_window(49), with_window(std::nullopt)));
}

TEST(CausalAttention, GivesADocumentTheSameBitsAloneAndBetweenOthers) {
  const at::Tensor x = at::randn({300, 2, 16});
  const Documents three{.offsets = {0, 100, 100, 170, 260}};
  const at::Tensor together = causal_attention(x, x, x, three, {.scale = 0.3});
  const at::Tensor own = x.slice(0, 100, 170);
  EXPECT_TRUE(at::equal(together.slice(0, 100, 170),
                        causal_attention(own, own, own, whole(own), {.scale = 0.3})));
  EXPECT_EQ(together.slice(0, 260).abs().max().item<float>(), 0.0f) << "outside of the documents";
}

}  // namespace
}  // namespace qk::kernels
