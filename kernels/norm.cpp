#include "kernels/norm.h"

#include <ATen/ATen.h>

namespace qk::kernels {

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps, NormKind kind) {
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor scale = wide.pow(2).mean(-1, /*keepdim=*/true).add_(eps).rsqrt_();
  at::Tensor normalised = wide * scale;
  if (kind == NormKind::RoundThenScale) {
    normalised = normalised.to(x.scalar_type());
    return normalised.mul_(weight);
  }
  return normalised.mul_(weight.to(at::kFloat).add(1.0)).to(x.scalar_type());
}

}  // namespace qk::kernels
