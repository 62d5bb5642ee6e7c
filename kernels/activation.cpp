#include "kernels/activation.h"

#include <ATen/ATen.h>

#include "base/error.h"
#include "kernels/device_call.h"

namespace qk::kernels {
namespace {

device::Gate name_of(Activation activation) {
  switch (activation) {
    case Activation::Silu:
      return device::Gate::Silu;
    case Activation::Gelu:
      return device::Gate::Gelu;
    case Activation::GeluTanh:
      return device::Gate::GeluTanh;
    case Activation::Relu:
      return device::Gate::Relu;
  }
  throw InternalError("activation {}", static_cast<int>(activation));
}

}  // namespace

at::Tensor gated_activation_(at::Tensor gate, const at::Tensor& up, Activation activation) {
  const auto type = device_type_of({gate, up});
  if (type && gate.size(1) % 8 == 0 && gate.stride(0) == up.stride(0)) {
    at::Tensor out = at::empty(gate.sizes(), gate.options());
    device::gated(*type, name_of(activation), gate.const_data_ptr(), up.const_data_ptr(),
                  gate.stride(0), out.data_ptr(), gate.size(0), gate.size(1),
                  OnDeviceOf(gate).stream());
    return out;
  }
  gate = gate.contiguous();
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
