#include "kernels/activation.h"

#include <ATen/ATen.h>

namespace qk::kernels {

at::Tensor gated_activation_(at::Tensor gate, const at::Tensor& up, Activation activation) {
  switch (activation) {
    case Activation::Silu:
      at::silu_(gate);
      break;
    case Activation::Gelu:
      at::gelu_(gate);
      break;
    case Activation::GeluTanh:
      at::gelu_(gate, "tanh");
      break;
    case Activation::Relu:
      at::relu_(gate);
      break;
  }
  return gate.mul_(up);
}

}  // namespace qk::kernels
