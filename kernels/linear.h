#pragma once
/// Matrix products of the decoder.
#include <ATen/core/Tensor.h>

namespace qk::kernels {

/// out = x @ weight^T (+ bias), accumulated in float32 and rounded once to the dtype.
/// x: [tokens, in]; weight: [features, in]; bias: [features] or undefined; out: [tokens, features],
/// contiguous rows. The result of a row depends on the shapes only, never on the number of threads:
/// on a CPU call it from inside a parallel region (models/tiles.h), where every product runs on the
/// calling thread. Half-precision weights on a CPU without half-precision matrix instructions go
/// through float32 blocks: same rounding points, about three times as fast as ATen's emulation
/// (docs/performance.md).
void linear_out(at::Tensor out, const at::Tensor& x, const at::Tensor& weight,
                const at::Tensor& bias);

}  // namespace qk::kernels
