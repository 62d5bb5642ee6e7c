#include "kernels/upload.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace qk::kernels {
namespace {

template <typename T>
at::Tensor upload_values(std::span<const T> values, at::Device device) {
  const auto options =
      at::TensorOptions(c10::CppTypeToScalarType<T>::value).pinned_memory(!device.is_cpu());
  at::Tensor tensor = at::empty({std::ssize(values)}, options);
  std::ranges::copy(values, tensor.mutable_data_ptr<T>());
  return device.is_cpu() ? tensor : tensor.to(device, /*non_blocking=*/true);
}

}  // namespace

at::Tensor upload(const at::Tensor& x, at::Device device) {
  if (device.is_cpu()) return x;
  return x.pin_memory().to(device, /*non_blocking=*/true);
}

at::Tensor upload(std::span<const int64_t> values, at::Device device) {
  return upload_values(values, device);
}
at::Tensor upload(std::span<const int32_t> values, at::Device device) {
  return upload_values(values, device);
}

}  // namespace qk::kernels
