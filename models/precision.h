#pragma once
/// The types that a pass computes in.
#include <c10/core/ScalarType.h>

namespace qk::models {

/// Under autocast, which upstream has on a GPU, products and attention may work in another type
/// than that of the weights: their operands are rounded to it, and where its results meet values of
/// the weights' type, both become float32.
struct Precision {
  Precision(at::ScalarType all) : weights(all), products(all) {}  // NOLINT: one type is a precision
  Precision(at::ScalarType weights_type, at::ScalarType products_type)
      : weights(weights_type), products(products_type) {}

  bool mixed() const { return weights != products; }
  /// Of the residual stream, and of queries and keys as the tap sees them.
  at::ScalarType stream() const { return mixed() ? at::kFloat : weights; }

  at::ScalarType weights;
  at::ScalarType products;
};

}  // namespace qk::models
