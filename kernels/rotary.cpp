#include "kernels/rotary.h"

#include <ATen/ATen.h>

namespace qk::kernels {

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

}  // namespace qk::kernels
