// The GPU's kernels against the ATen operations that they stand for.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "kernels/activation.h"
#include "kernels/attention.h"
#include "kernels/device_call.h"
#include "kernels/gather.h"
#include "kernels/norm.h"
#include "kernels/rotary.h"

namespace qk::kernels {
namespace {

double relative_error(const at::Tensor& x, const at::Tensor& expected) {
  const at::Tensor wide = expected.cpu().to(at::kDouble);
  return ((x.cpu().to(at::kDouble) - wide).norm() / wide.norm()).item<double>();
}

/// Sums in another order may round the other way now and then, nothing else.
double tolerance(at::ScalarType dtype) { return dtype == at::kFloat ? 1e-6 : 1e-3; }

class Device : public testing::TestWithParam<at::ScalarType> {
 protected:
  at::Tensor random(at::IntArrayRef shape) const { return at::randn(shape).to(GetParam()); }
};

TEST_P(Device, AddsAndNormsAsATenDoes) {
  for (const int64_t width : {64, 576, 1024, 2048, 4096, 8192}) {
    for (const NormKind kind : {NormKind::RoundThenScale, NormKind::OnePlusScale}) {
      const at::Tensor residual = random({37, width}), branch = random({37, width}),
                       weight = random({width});
      at::Tensor sum = residual.cuda(), expected_sum = residual.clone();
      ASSERT_TRUE(device_type_of({sum}).has_value());
      const at::Tensor out = add_rms_norm(sum, branch.cuda(), weight.cuda(), 1e-6, kind);
      const at::Tensor expected = add_rms_norm(expected_sum, branch, weight, 1e-6, kind);
      EXPECT_TRUE(at::equal(sum.cpu(), expected_sum)) << width;
      EXPECT_LT(relative_error(out, expected), tolerance(GetParam())) << width;
    }
  }
}

TEST_P(Device, RotatesToTheBit) {
  for (const auto layout : {RotaryLayout::Half, RotaryLayout::Interleaved}) {
    for (const int64_t head_dim : {64, 80, 96, 128, 256}) {
      for (const int64_t pairs : {head_dim / 2, head_dim / 4}) {
        const at::Tensor rows = random({53, 3 * head_dim + 16});
        const at::Tensor x = rows.slice(1, 0, 3 * head_dim).unflatten(1, {3, head_dim});
        const at::Tensor angle = at::rand({53, pairs}) * 6;
        HeadSteps steps{.cos = angle.cos().to(GetParam()),
                        .sin = angle.sin().to(GetParam()),
                        .layout = layout,
                        .factor = random({53})};
        at::Tensor expected = x.clone(), device_rows = rows.cuda();
        at::Tensor on_device = device_rows.slice(1, 0, 3 * head_dim).unflatten(1, {3, head_dim});
        norm_rotate_(expected, steps);
        steps.cos = steps.cos.cuda(), steps.sin = steps.sin.cuda(),
        steps.factor = steps.factor.cuda();
        norm_rotate_(on_device, steps);
        EXPECT_TRUE(at::equal(on_device.cpu(), expected)) << head_dim << " " << pairs;
        EXPECT_TRUE(
            at::equal(device_rows.cpu().slice(1, 3 * head_dim), rows.slice(1, 3 * head_dim)));
      }
    }
  }
}

TEST_P(Device, NormsHeadsBeforeItRotatesThem) {
  const at::Tensor x = random({53, 3, 128}), weight = random({128}), angle = at::rand({53, 64}) * 6;
  HeadSteps steps{.norm_weight = weight,
                  .norm_eps = 1e-6,
                  .cos = angle.cos().to(GetParam()),
                  .sin = angle.sin().to(GetParam())};
  at::Tensor expected = x.clone(), on_device = x.cuda();
  norm_rotate_(expected, steps);
  steps.norm_weight = weight.cuda(), steps.cos = steps.cos.cuda(), steps.sin = steps.sin.cuda();
  norm_rotate_(on_device, steps);
  EXPECT_LT(relative_error(on_device, expected), tolerance(GetParam()));
}

TEST_P(Device, GatesAsATenDoes) {
  for (const auto activation :
       {Activation::Silu, Activation::Gelu, Activation::GeluTanh, Activation::Relu}) {
    const at::Tensor both = random({37, 2 * 1536}) * 3;
    const auto parts = [&](const at::Tensor& x) { return x.split(1536, 1); };
    const at::Tensor device_both = both.cuda();
    const auto own = parts(both), on_device = parts(device_both);
    const at::Tensor out = gated_activation_(on_device[0], on_device[1], activation);
    EXPECT_TRUE(out.is_contiguous());
    EXPECT_LT(relative_error(out, gated_activation_(own[0], own[1], activation)),
              tolerance(GetParam()));
  }
}

TEST_P(Device, GathersHeads) {
  const at::Tensor x = random({50, 4, 64}), rows = at::tensor({3, 3, 49, 0}, at::kInt),
                   heads = at::tensor({0, 2}, at::kInt);
  at::Tensor out = at::empty({2, 4, 64}, x.options()), on_device = at::empty_like(out).cuda();
  gather_heads_out(out, x, rows, heads);
  gather_heads_out(on_device, x.cuda(), rows.cuda(), heads.cuda());
  EXPECT_TRUE(at::equal(on_device.cpu(), out));
  EXPECT_TRUE(at::equal(out[1][2], x[49][2]));
}

INSTANTIATE_TEST_SUITE_P(Types, Device, testing::Values(at::kFloat, at::kHalf, at::kBFloat16),
                         [](const auto& info) { return c10::toString(info.param); });

struct Packing {
  std::vector<int64_t> lengths;
  int64_t query_heads, key_heads, head_dim;
  std::optional<int64_t> window;
};

class DeviceAttention : public testing::TestWithParam<Packing> {};

/// q, k, v as a decoder has them: parts of wider rows, more rows than the documents have.
struct Inputs {
  at::Tensor q, k, v;
  Documents documents;
};

Inputs inputs_of(const Packing& packing) {
  Inputs inputs;
  for (const int64_t length : packing.lengths)
    inputs.documents.offsets.push_back(inputs.documents.offsets.back() + length);
  inputs.documents.device_offsets =
      at::tensor(inputs.documents.offsets, at::kLong).to(at::kInt).cuda();
  const int64_t rows = attention_rows(inputs.documents.offsets, at::kCUDA) + 40;
  const int64_t q = packing.query_heads * packing.head_dim,
                k = packing.key_heads * packing.head_dim;
  at::manual_seed(1);
  const at::Tensor all = at::randn({rows, q + 2 * k}).to(at::kBFloat16).cuda();
  const auto parts = all.split_with_sizes({q, k, k}, 1);
  const auto heads = [&](const at::Tensor& x) { return x.unflatten(1, {-1, packing.head_dim}); };
  inputs.q = heads(parts[0]), inputs.k = heads(parts[1]), inputs.v = heads(parts[2]);
  return inputs;
}

TEST_P(DeviceAttention, EqualsTheFormula) {
  const Inputs x = inputs_of(GetParam());
  const AttentionShape shape{.scale = 0.1, .window = GetParam().window};
  const at::Tensor out = causal_attention(x.q, x.k, x.v, x.documents, shape);
  EXPECT_TRUE(out.is_contiguous());
  EXPECT_LT(relative_error(out, causal_attention_reference(x.q, x.k, x.v, x.documents, shape)),
            0.01);
}

TEST_P(DeviceAttention, GivesADocumentTheSameBitsAloneAndBetweenOthers) {
  const Inputs x = inputs_of(GetParam());
  const AttentionShape shape{.scale = 0.1, .window = GetParam().window};
  const at::Tensor together = causal_attention(x.q, x.k, x.v, x.documents, shape);
  for (size_t d = 0; d + 1 < x.documents.offsets.size(); ++d) {
    const int64_t begin = x.documents.offsets[d], length = x.documents.offsets[d + 1] - begin;
    const Documents alone{
        .offsets = {0, length},
        .device_offsets = at::tensor({int64_t{0}, length}, at::kLong).to(at::kInt).cuda()};
    const int64_t rows = attention_rows(alone.offsets, at::kCUDA);
    const auto own = [&](const at::Tensor& all) {
      at::Tensor part = at::zeros({rows, all.size(1), all.size(2)}, all.options());
      part.narrow(0, 0, length).copy_(all.narrow(0, begin, length));
      return part;
    };
    const at::Tensor by_itself = causal_attention(own(x.q), own(x.k), own(x.v), alone, shape);
    EXPECT_TRUE(at::equal(by_itself.narrow(0, 0, length), together.narrow(0, begin, length))) << d;
  }
}

TEST_P(DeviceAttention, GivesAHeadTheSameBitsWhateverHeadsShareTheCall) {
  const Inputs x = inputs_of(GetParam());
  const AttentionShape shape{.scale = 0.1, .window = GetParam().window};
  const int64_t tokens = x.documents.offsets.back(), key_heads = x.k.size(1);
  const at::Tensor together = causal_attention(x.q, x.k, x.v, x.documents, shape);
  for (int64_t shares = 2; shares <= key_heads; ++shares) {
    if (key_heads % shares != 0) continue;
    for (int64_t i = 0; i < shares; ++i) {
      const auto share = [&](const at::Tensor& all) {
        const int64_t width = all.size(1) / shares;
        return all.narrow(1, i * width, width).contiguous();
      };
      const at::Tensor own =
          causal_attention(share(x.q), share(x.k), share(x.v), x.documents, shape);
      const at::Tensor same = together.narrow(1, i * own.size(1), own.size(1));
      EXPECT_TRUE(at::equal(own.narrow(0, 0, tokens), same.narrow(0, 0, tokens)))
          << i << " of " << shares;
    }
  }
}

TEST_P(DeviceAttention, OfFewRowsEqualsTheFormulaWhicheverOthersAreAskedFor) {
  const Inputs x = inputs_of(GetParam());
  const AttentionShape shape{.scale = 0.1, .window = GetParam().window};
  std::vector<int32_t> some, last;
  std::vector<int64_t> last_of_some;
  for (size_t d = 0; d + 1 < x.documents.offsets.size(); ++d) {
    const auto begin = static_cast<int32_t>(x.documents.offsets[d]);
    const auto end = static_cast<int32_t>(x.documents.offsets[d + 1]);
    if (end - begin > 1) some.push_back(begin + (end - begin) / 3);
    last_of_some.push_back(std::ssize(some));
    some.push_back(end - 1), last.push_back(end - 1);
  }
  const auto of = [&](const std::vector<int32_t>& rows) {
    return causal_attention_of_rows(x.q, x.k, x.v, x.documents, shape, {rows, std::ssize(rows)});
  };
  const at::Tensor expected = causal_attention_reference(x.q, x.k, x.v, x.documents, shape);
  const at::Tensor got = of(some);
  EXPECT_LT(relative_error(got, expected.index_select(0, at::tensor(some, at::kInt).cuda())), 0.01);
  EXPECT_TRUE(at::equal(of(last), got.index_select(0, at::tensor(last_of_some, at::kLong).cuda())));
}

INSTANTIATE_TEST_SUITE_P(Packings, DeviceAttention,
                         testing::Values(Packing{{300, 1, 77, 512}, 9, 3, 64, {}},
                                         Packing{{2048}, 8, 2, 128, {}},
                                         Packing{{5000, 700}, 32, 8, 128, {}},
                                         Packing{{100, 1500, 30, 1024, 2100, 5}, 4, 2, 128, {}},
                                         Packing{{100, 1500, 30}, 4, 4, 256, 512},
                                         Packing{{100, 1500, 30}, 4, 1, 256, {}},
                                         Packing{{40, 1100}, 4, 2, 80, {}},
                                         Packing{{1300, 40}, 4, 2, 96, 200}));

}  // namespace
}  // namespace qk::kernels
