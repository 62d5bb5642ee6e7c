#pragma once
/// The rotation of queries and keys.
#include <ATen/core/Tensor.h>

namespace qk::kernels {

/// Which dimensions form a pair: Half (j, j + dim/2), Interleaved (2j, 2j + 1).
enum class RotaryLayout { Half, Interleaved };

/// Rotates the first 2 * cos.size(1) dimensions of x in place; the rest passes through.
/// x: [tokens, heads, head_dim]; cos, sin: [tokens, dim / 2], x's dtype. Products and sum are
/// rounded one by one, as Transformers' separate operations are.
void rotate_(at::Tensor x, const at::Tensor& cos, const at::Tensor& sin, RotaryLayout layout);

}  // namespace qk::kernels
