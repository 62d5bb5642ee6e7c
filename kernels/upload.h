#pragma once
/// From the host to the device that computes.
#include <ATen/core/Tensor.h>

#include <span>

namespace qk::kernels {

/// x on the device, without waiting for what that still does: from memory that its driver reads by
/// itself. On a CPU x itself.
at::Tensor upload(const at::Tensor& x, at::Device device);

/// [count] int64 or int32.
at::Tensor upload(std::span<const int64_t> values, at::Device device);
at::Tensor upload(std::span<const int32_t> values, at::Device device);

}  // namespace qk::kernels
