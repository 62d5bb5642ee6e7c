#include "kernels/device_call.h"

#include <c10/core/impl/VirtualGuardImpl.h>

namespace qk::kernels {
namespace {

bool aligned(const at::Tensor& x) {
  if (x.stride(-1) != 1 || reinterpret_cast<uintptr_t>(x.const_data_ptr()) % 16 != 0) return false;
  for (int64_t i = 0; i + 1 < x.dim(); ++i) {
    if (x.stride(i) * x.element_size() % 16 != 0) return false;
  }
  return true;
}

}  // namespace

std::optional<device::Type> device_type_of(std::initializer_list<at::Tensor> tensors) {
  if (!device::available()) return std::nullopt;
  const at::ScalarType type = tensors.begin()->scalar_type();
  for (const at::Tensor& x : tensors) {
    if (x.defined() && !(x.is_cuda() && x.scalar_type() == type && aligned(x))) return std::nullopt;
  }
  switch (type) {
    case at::kFloat:
      return device::Type::Float;
    case at::kHalf:
      return device::Type::Half;
    case at::kBFloat16:
      return device::Type::BFloat16;
    default:
      return std::nullopt;
  }
}

void* OnDeviceOf::stream() const {
  const at::Device device = guard_.current_device();
  return c10::impl::VirtualGuardImpl(device.type()).getStream(device).native_handle();
}

}  // namespace qk::kernels
