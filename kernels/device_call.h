#pragma once
/// Tensors -> the plain arguments of kernels/device.
#include <ATen/core/Tensor.h>
#include <c10/core/DeviceGuard.h>

#include <initializer_list>
#include <optional>

#include "kernels/device/fused.h"

namespace qk::kernels {

/// The kernels' name for the dtype when they can take these tensors: on a CUDA device, one float
/// type, last dimensions without gaps, every row 16-byte aligned. Undefined tensors are skipped.
/// nullopt: the ATen operations take over.
std::optional<device::Type> device_type_of(std::initializer_list<at::Tensor> tensors);

/// Makes x's device the current one while it lives: a kernel is launched on that.
class OnDeviceOf {
 public:
  explicit OnDeviceOf(const at::Tensor& x) : guard_(x.device()) {}

  /// The device's current stream.
  void* stream() const;

 private:
  c10::DeviceGuard guard_;
};

}  // namespace qk::kernels
