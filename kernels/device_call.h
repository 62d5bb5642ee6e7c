#pragma once
/// Tensors -> the plain arguments of kernels/device.
#include <ATen/core/Tensor.h>

#include <initializer_list>
#include <optional>

#include "kernels/device/fused.h"

namespace qk::kernels {

/// The kernels' name for the dtype when they can take these tensors: on a CUDA device, one float
/// type, last dimensions without gaps, every row 16-byte aligned. Undefined tensors are skipped.
/// nullopt: the ATen operations take over.
std::optional<device::Type> device_type_of(std::initializer_list<at::Tensor> tensors);

/// The current stream of x's device.
void* stream_of(const at::Tensor& x);

}  // namespace qk::kernels
