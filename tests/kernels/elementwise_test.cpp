#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "kernels/activation.h"
#include "kernels/linear.h"
#include "kernels/norm.h"
#include "kernels/rotary.h"

namespace qk::kernels {
namespace {

/// x * C + rot(x) * S over whole heads, operation by operation, as upstream writes it.
at::Tensor rotate_upstream(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin,
                           RotaryLayout layout) {
  const int64_t dim = 2 * cos.size(1);
  const at::Tensor head = x.slice(-1, 0, dim), rest = x.slice(-1, dim);
  at::Tensor c, s, turned;
  if (layout == RotaryLayout::Half) {
    c = at::cat({cos, cos}, -1), s = at::cat({sin, sin}, -1);
    turned = at::cat({head.slice(-1, dim / 2).neg(), head.slice(-1, 0, dim / 2)}, -1);
  } else {
    c = cos.repeat_interleave(2, -1), s = sin.repeat_interleave(2, -1);
    turned =
        at::stack({head.slice(-1, 1, dim, 2).neg(), head.slice(-1, 0, dim, 2)}, -1).flatten(-2);
  }
  return at::cat({head * c.unsqueeze(1) + turned * s.unsqueeze(1), rest}, -1);
}

TEST(Rotary, GivesUpstreamsBitsInEveryTypeAndLayout) {
  for (const auto dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
    for (const auto layout : {RotaryLayout::Half, RotaryLayout::Interleaved}) {
      const at::Tensor x = at::randn({19, 3, 24}).to(dtype);
      const at::Tensor angle = at::rand({19, 8}) * 6;
      const at::Tensor cos = angle.cos().to(dtype), sin = angle.sin().to(dtype);
      at::Tensor rotated = x.clone();
      rotate_(rotated, cos, sin, layout);
      EXPECT_TRUE(at::equal(rotated, rotate_upstream(x, cos, sin, layout)));
    }
  }
}

TEST(RmsNorm, RoundsBeforeTheWeightOrAfterIt) {
  const at::Tensor x = at::randn({7, 40}).to(at::kBFloat16), w = at::randn({40}).to(at::kBFloat16);
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor unit = wide * at::rsqrt(wide.pow(2).mean(-1, true) + 1e-6);
  EXPECT_TRUE(
      at::equal(rms_norm(x, w, 1e-6, NormKind::RoundThenScale), w * unit.to(at::kBFloat16)));
  EXPECT_TRUE(at::equal(rms_norm(x, w, 1e-6, NormKind::OnePlusScale),
                        (unit * (1.0 + w.to(at::kFloat))).to(at::kBFloat16)));
}

TEST(RmsNorm, LeavesItsInputAlone) {
  const at::Tensor x = at::randn({3, 8}), copy = x.clone();
  rms_norm(x, at::ones({8}), 1e-6, NormKind::RoundThenScale);
  EXPECT_TRUE(at::equal(x, copy));
}

TEST(GatedActivation, RoundsActivationAndProduct) {
  const at::Tensor gate = at::randn({5, 16}).to(at::kBFloat16),
                   up = at::randn({5, 16}).to(at::kBFloat16);
  EXPECT_TRUE(
      at::equal(gated_activation_(gate.clone(), up, Activation::Silu), at::silu(gate) * up));
  EXPECT_TRUE(at::equal(gated_activation_(gate.clone(), up, Activation::GeluTanh),
                        at::gelu(gate, "tanh") * up));
  EXPECT_TRUE(
      at::equal(gated_activation_(gate.clone(), up, Activation::Gelu), at::gelu(gate) * up));
  EXPECT_TRUE(
      at::equal(gated_activation_(gate.clone(), up, Activation::Relu), at::relu(gate) * up));
}

TEST(Linear, RoundsTheExactProductOnce) {
  for (const auto dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
    for (const bool with_bias : {false, true}) {
      const at::Tensor x = at::randn({33, 200}).to(dtype), w = at::randn({300, 200}).to(dtype);
      const at::Tensor bias = with_bias ? at::randn({300}).to(dtype) : at::Tensor();
      at::Tensor exact = at::matmul(x.to(at::kDouble), w.to(at::kDouble).t());
      if (with_bias) exact.add_(bias.to(at::kDouble));
      at::Tensor out = at::empty({33, 300}, x.options());
      linear_out(out, x, w, bias);
      const double error =
          (out.to(at::kDouble) - exact).norm().item<double>() / exact.norm().item<double>();
      EXPECT_LT(error, dtype == at::kFloat ? 1e-6 : dtype == at::kHalf ? 4e-4 : 3e-3);
    }
  }
}

}  // namespace
}  // namespace qk::kernels
