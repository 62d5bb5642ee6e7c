#pragma once
/// Picks the captured vectors out of a layer's queries or keys.
#include <ATen/core/Tensor.h>

namespace qk::kernels {

/// out[h, r] = x[rows[r], heads[h]]. x: [tokens, all heads, head_dim]; rows, heads: int32, on x's
/// device; out: [heads, rows, head_dim], contiguous, x's dtype. Nothing is repeated and nothing
/// waits for a device.
void gather_heads_out(at::Tensor out, const at::Tensor& x, const at::Tensor& rows,
                      const at::Tensor& heads);

}  // namespace qk::kernels
