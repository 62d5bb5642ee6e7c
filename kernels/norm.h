#pragma once
/// Root-mean-square norms over the last axis, with the rounding points of Transformers.
#include <ATen/core/Tensor.h>

namespace qk::kernels {

/// x^ = x / sqrt(mean(x^2) + eps) in float32, then
enum class NormKind {
  RoundThenScale,  ///< w * dtype(x^): two roundings (llama)
  OnePlusScale,    ///< dtype(x^ * (1 + w)): one rounding (gemma)
};

/// x: [..., n], weight: [n], float dtypes. Returns a new tensor of x's shape and dtype; of float32
/// where RoundThenScale multiplies two types.
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps, NormKind kind);

/// residual += branch, rounded to its dtype, in place; returns rms_norm(residual). residual,
/// branch: [tokens, n], the latter of a type that the former's holds.
at::Tensor add_rms_norm(at::Tensor residual, const at::Tensor& branch, const at::Tensor& weight,
                        double eps, NormKind kind);

}  // namespace qk::kernels
