#pragma once
/// What happens to queries and keys between projection and attention.
#include <ATen/core/Tensor.h>

#include "kernels/norm.h"

namespace qk::kernels {

/// Which dimensions form a pair: Half (j, j + dim/2), Interleaved (2j, 2j + 1).
enum class RotaryLayout { Half, Interleaved };

/// Rotates the first 2 * cos.size(1) dimensions of x in place; the rest passes through.
/// x: [tokens, heads, head_dim]; cos, sin: [tokens, dim / 2], x's dtype. Products and sum are
/// rounded one by one, as Transformers' separate operations are.
void rotate_(at::Tensor x, const at::Tensor& cos, const at::Tensor& sin, RotaryLayout layout);

/// The steps of norm_rotate_, in their order; an undefined tensor leaves its step out.
struct HeadSteps {
  at::Tensor norm_weight = {};  ///< [head_dim]
  double norm_eps = 0;
  NormKind norm = NormKind::RoundThenScale;
  at::Tensor cos = {}, sin = {};  ///< [tokens, dim / 2]
  RotaryLayout layout = RotaryLayout::Half;
  at::Tensor factor = {};  ///< [tokens]
};

/// Norm, rotation and factor of the heads of x, in place, each rounded to x's dtype.
/// x: [tokens, heads, head_dim].
void norm_rotate_(at::Tensor x, const HeadSteps& steps);

}  // namespace qk::kernels
