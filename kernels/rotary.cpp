#include "kernels/rotary.h"

#include <ATen/ATen.h>

#include "kernels/device_call.h"

namespace qk::kernels {
namespace {

const void* data_of(const at::Tensor& x) { return x.defined() ? x.const_data_ptr() : nullptr; }

/// False where the fused kernel can't take the arguments.
bool fused(at::Tensor x, const HeadSteps& steps) {
  const int64_t head_dim = x.size(2), pairs = steps.cos.defined() ? steps.cos.size(1) : 0;
  const auto type = device_type_of({x, steps.norm_weight});
  const auto same_type = [&](const at::Tensor& t) {
    return !t.defined() || t.scalar_type() == x.scalar_type();
  };
  const bool one_type = same_type(steps.cos) && same_type(steps.sin) && same_type(steps.factor);
  const bool whole_rows =
      !steps.cos.defined() || (steps.cos.is_contiguous() && steps.sin.is_contiguous());
  const bool fits = x.stride(1) == head_dim && head_dim % 2 == 0 && pairs % 2 == 0 &&
                    head_dim <= device::kMaxHeadDim && whole_rows;
  if (!type || !one_type || !fits) return false;
  device::norm_rotate(*type,
                      {.x = x.data_ptr(),
                       .rows = x.size(0),
                       .heads = x.size(1),
                       .head_dim = head_dim,
                       .row_stride = x.stride(0),
                       .norm = {.weight = data_of(steps.norm_weight),
                                .eps = static_cast<float>(steps.norm_eps),
                                .one_plus = steps.norm == NormKind::OnePlusScale},
                       .cos = data_of(steps.cos),
                       .sin = data_of(steps.sin),
                       .pairs = pairs,
                       .interleaved = steps.layout == RotaryLayout::Interleaved,
                       .factor = data_of(steps.factor)},
                      OnDeviceOf(x).stream());
  return true;
}

}  // namespace

void rotate_(at::Tensor x, const at::Tensor& cos, const at::Tensor& sin, RotaryLayout layout) {
  const int64_t pairs = cos.size(1);
  const bool half = layout == RotaryLayout::Half;
  at::Tensor first = half ? x.slice(-1, 0, pairs) : x.slice(-1, 0, 2 * pairs, 2);
  at::Tensor second = half ? x.slice(-1, pairs, 2 * pairs) : x.slice(-1, 1, 2 * pairs, 2);
  const at::Tensor c = cos.unsqueeze(1), s = sin.unsqueeze(1);
  const at::Tensor rotated_first = (first * c).sub_(second * s);
  const at::Tensor first_times_sin = first * s;
  second.mul_(c).add_(first_times_sin);
  first.copy_(rotated_first);
}

void norm_rotate_(at::Tensor x, const HeadSteps& steps) {
  if (fused(x, steps)) return;
  if (steps.norm_weight.defined())
    x.copy_(rms_norm(x, steps.norm_weight, steps.norm_eps, steps.norm));
  if (steps.cos.defined()) rotate_(x, steps.cos, steps.sin, steps.layout);
  if (steps.factor.defined()) x.mul_(steps.factor.view({-1, 1, 1}));
}

}  // namespace qk::kernels
