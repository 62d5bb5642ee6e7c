#include "kernels/norm.h"

#include <ATen/ATen.h>

#include "kernels/device_call.h"

namespace qk::kernels {
namespace {

/// The fused kernel's result, or an undefined tensor where it can't take the arguments.
at::Tensor fused(at::Tensor residual, const at::Tensor& branch, const at::Tensor& weight,
                 double eps, NormKind kind) {
  const auto type = device_type_of({residual, branch, weight});
  const int64_t width = residual.size(-1);
  if (!type || residual.dim() != 2 || width % 8 != 0 || width > device::kMaxWidth) return {};
  at::Tensor out = at::empty(residual.sizes(), residual.options());
  device::add_rms_norm(*type,
                       {.residual = residual.data_ptr(),
                        .branch = branch.defined() ? branch.const_data_ptr() : nullptr,
                        .out = out.data_ptr(),
                        .rows = residual.size(0),
                        .width = width,
                        .residual_stride = residual.stride(0),
                        .branch_stride = branch.defined() ? branch.stride(0) : 0,
                        .out_stride = width,
                        .norm = {.weight = weight.const_data_ptr(),
                                 .eps = static_cast<float>(eps),
                                 .one_plus = kind == NormKind::OnePlusScale}},
                       OnDeviceOf(residual).stream());
  return out;
}

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps, NormKind kind) {
  if (at::Tensor out = fused(x, {}, weight, eps, kind); out.defined()) return out;
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor scale = wide.pow(2).mean(-1, /*keepdim=*/true).add_(eps).rsqrt_();
  at::Tensor normalised = wide * scale;
  if (kind == NormKind::RoundThenScale) {
    normalised = normalised.to(x.scalar_type());
    return x.scalar_type() == weight.scalar_type() ? normalised.mul_(weight) : normalised * weight;
  }
  return normalised.mul_(weight.to(at::kFloat).add(1.0)).to(x.scalar_type());
}

at::Tensor add_rms_norm(at::Tensor residual, const at::Tensor& branch, const at::Tensor& weight,
                        double eps, NormKind kind) {
  if (at::Tensor out = fused(residual, branch, weight, eps, kind); out.defined()) return out;
  residual.add_(branch);
  return rms_norm(residual, weight, eps, kind);
}

}  // namespace qk::kernels
