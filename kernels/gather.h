#pragma once
/// Picks the captured vectors out of a layer's queries or keys, and the rows that they need.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

namespace qk::kernels {

/// out[h, r] = x[rows[r], heads[h]]. x: [tokens, all heads, head_dim]; rows, heads: int32, on x's
/// device; out: [heads, rows, head_dim], contiguous, x's dtype. Nothing is repeated and nothing
/// waits for a device.
void gather_heads_out(at::Tensor out, const at::Tensor& x, const at::Tensor& rows,
                      const at::Tensor& heads);

/// The rows of x, and 0 behind them: [out_rows, width]. x: [rows, width].
at::Tensor pick_rows(const at::Tensor& x, std::span<const int32_t> rows, int64_t out_rows);

}  // namespace qk::kernels
