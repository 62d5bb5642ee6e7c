#pragma once
/// Matrix products of the decoder.
#include <ATen/core/Tensor.h>

namespace qk::kernels {

/// out = x @ weight^T (+ bias), accumulated in float32 and rounded once to the dtype.
/// x: [tokens, in]; weight: [features, in]; bias: [features] or undefined; out: [tokens, features],
/// contiguous rows. The result of a row depends on the shapes only, never on the number of threads:
/// on a CPU call it where ProductsOnThisThread holds (models/tiles.h). Half-precision weights on a
/// CPU without half-precision matrix instructions go through float32 blocks: same rounding points,
/// about three times as fast as ATen's emulation (docs/performance.md).
void linear_out(at::Tensor out, const at::Tensor& x, const at::Tensor& weight,
                const at::Tensor& bias);

/// As long as it lives, products of the calling thread run on that thread alone. Without it MKL
/// divides a product by the threads it may have, even where ATen's parallel regions leave it one,
/// and the bits depend on how.
class ProductsOnThisThread {
 public:
  ProductsOnThisThread();
  ~ProductsOnThisThread();
  ProductsOnThisThread(const ProductsOnThisThread&) = delete;
  ProductsOnThisThread& operator=(const ProductsOnThisThread&) = delete;

 private:
  int before_;
};

}  // namespace qk::kernels
