#include "kernels/device/common.cuh"

namespace qk::kernels::device {
namespace {

/// Sum over the LANES threads of a row; a row has a whole block where it has more than a warp.
template <int LANES>
__device__ float row_sum(float x) {
  x = warp_sum(x);
  if constexpr (LANES > kWarp) {
    __shared__ float parts[LANES / kWarp];
    if (threadIdx.x % kWarp == 0) parts[threadIdx.x / kWarp] = x;
    __syncthreads();
    x = 0;
#pragma unroll
    for (float part : parts) x += part;
  }
  return x;
}

constexpr int kNormBlock = 128;  ///< threads, where several rows share a block

/// LANES threads a row, each with VECTORS vectors of it in registers.
template <typename T, int LANES, int VECTORS>
__global__ void add_rms_norm_kernel(AddNorm a) {
  constexpr int kSize = Vector<T>::kSize;
  const int lane = threadIdx.x % LANES;
  const int64_t row = static_cast<int64_t>(blockIdx.x) * (blockDim.x / LANES) + threadIdx.x / LANES;
  if (row >= a.rows) return;  // whole warps, and whole blocks where a row has more than a warp
  T* residual = static_cast<T*>(a.residual) + row * a.residual_stride;
  const T* branch =
      a.branch == nullptr ? nullptr : static_cast<const T*>(a.branch) + row * a.branch_stride;
  Vector<T> values[VECTORS];
  float sum = 0;
#pragma unroll
  for (int v = 0; v < VECTORS; ++v) {
    const int column = (lane + v * LANES) * kSize;
    if (column >= a.width) continue;
    values[v] = load(residual + column);
    if (branch != nullptr) {
      const Vector<T> added = load(branch + column);
#pragma unroll
      for (int i = 0; i < kSize; ++i)
        values[v].x[i] = rounded<T>(__fadd_rn(wide(values[v].x[i]), wide(added.x[i])));
      store(residual + column, values[v]);
    }
#pragma unroll
    for (int i = 0; i < kSize; ++i) sum += wide(values[v].x[i]) * wide(values[v].x[i]);
  }
  const float mean = row_sum<LANES>(sum) / static_cast<float>(a.width);
  const float scale = rsqrtf(mean + a.norm.eps);
  const T* weight = static_cast<const T*>(a.norm.weight);
  T* out = static_cast<T*>(a.out) + row * a.out_stride;
#pragma unroll
  for (int v = 0; v < VECTORS; ++v) {
    const int column = (lane + v * LANES) * kSize;
    if (column >= a.width) continue;
    const Vector<T> w = load(weight + column);
    Vector<T> result;
#pragma unroll
    for (int i = 0; i < kSize; ++i)
      result.x[i] = scaled<T>(__fmul_rn(wide(values[v].x[i]), scale), w.x[i], a.norm.one_plus);
    store(out + column, result);
  }
}

template <typename T, int LANES, int VECTORS>
void launch_add_rms_norm(const AddNorm& a, cudaStream_t stream) {
  constexpr int kThreads = LANES > kWarp ? LANES : kNormBlock;
  constexpr int kRows = kThreads / LANES;
  const auto blocks = static_cast<unsigned>((a.rows + kRows - 1) / kRows);
  add_rms_norm_kernel<T, LANES, VECTORS><<<blocks, kThreads, 0, stream>>>(a);
  check_launch("add_rms_norm");
}

template <typename T>
void add_rms_norm_of(const AddNorm& a, cudaStream_t stream) {
  const int64_t vectors = (a.width + Vector<T>::kSize - 1) / Vector<T>::kSize;
  if (vectors <= 4 * 32) {
    launch_add_rms_norm<T, 32, 4>(a, stream);
  } else if (vectors <= 2 * 256) {
    launch_add_rms_norm<T, 256, 2>(a, stream);
  } else if (vectors <= 4 * 256) {
    launch_add_rms_norm<T, 256, 4>(a, stream);
  } else {
    launch_add_rms_norm<T, 512, 8>(a, stream);
  }
}

}  // namespace

void add_rms_norm(Type type, const AddNorm& a, void* stream) {
  with_type(type, [&](auto zero) {
    add_rms_norm_of<decltype(zero)>(a, static_cast<cudaStream_t>(stream));
  });
}

}  // namespace qk::kernels::device
