#pragma once
/// What the kernels of this folder share: types, rounding, vectors, sums.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

#include "kernels/device/fused.h"

namespace qk::kernels::device {

constexpr int kWarp = 32;

inline void check_launch(const char* kernel) {
  const cudaError_t error = cudaGetLastError();
  if (error != cudaSuccess)
    throw std::runtime_error(std::string(kernel) + ": " + cudaGetErrorString(error));
}

template <typename T>
__device__ float wide(T x) {
  return static_cast<float>(x);
}
template <typename T>
__device__ T rounded(float x);
template <>
__device__ inline float rounded<float>(float x) {
  return x;
}
template <>
__device__ inline __half rounded<__half>(float x) {
  return __float2half_rn(x);
}
template <>
__device__ inline __nv_bfloat16 rounded<__nv_bfloat16>(float x) {
  return __float2bfloat16_rn(x);
}

// Products and sums that the compiler must not fuse: each is rounded to T, as separate operations.
template <typename T>
__device__ float times(float a, float b) {
  return wide(rounded<T>(__fmul_rn(a, b)));
}
template <typename T>
__device__ float plus(float a, float b) {
  return wide(rounded<T>(__fadd_rn(a, b)));
}

/// 16 bytes.
template <typename T>
struct alignas(16) Vector {
  static constexpr int kSize = 16 / sizeof(T);
  T x[kSize];
};

template <typename T>
__device__ Vector<T> load(const T* from) {
  return *reinterpret_cast<const Vector<T>*>(from);
}
template <typename T>
__device__ void store(T* to, const Vector<T>& v) {
  *reinterpret_cast<Vector<T>*>(to) = v;
}

__device__ inline float warp_sum(float x) {
#pragma unroll
  for (int offset = kWarp / 2; offset > 0; offset /= 2) x += __shfl_xor_sync(~0u, x, offset);
  return x;
}

template <typename T>
__device__ T scaled(float unit, T weight, bool one_plus) {
  if (one_plus) return rounded<T>(__fmul_rn(unit, __fadd_rn(1.0f, wide(weight))));
  return rounded<T>(__fmul_rn(wide(rounded<T>(unit)), wide(weight)));
}

constexpr int kBlock = 256;  ///< threads

/// call(T{}) with the C++ type of `type`.
template <typename Call>
void with_type(Type type, const Call& call) {
  switch (type) {
    case Type::Float:
      return call(float{});
    case Type::Half:
      return call(__half{});
    case Type::BFloat16:
      return call(__nv_bfloat16{});
  }
}

}  // namespace qk::kernels::device
