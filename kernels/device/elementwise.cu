#include "kernels/device/common.cuh"

namespace qk::kernels::device {
namespace {

/// The formulas of ATen's CUDA kernels, in float.
template <Gate GATE>
__device__ float activated(float x) {
  if constexpr (GATE == Gate::Silu) return x / (1.0f + expf(-x));
  if constexpr (GATE == Gate::Gelu) return x * 0.5f * (1.0f + erff(x * 0.70710678118654752440f));
  if constexpr (GATE == Gate::GeluTanh) {
    constexpr float kBeta = 0.79788456080286535588f;  // sqrt(2 / pi)
    const float inner = kBeta * (x + 0.044715f * (x * x * x));
    return 0.5f * x * (1.0f + tanhf(inner));
  }
  return fmaxf(x, 0.0f);
}

template <typename T, Gate GATE>
__global__ void gated_kernel(const T* gate, const T* up, int64_t in_stride, T* out, int64_t rows,
                             int64_t width) {
  const int64_t per_row = width / Vector<T>::kSize;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < rows * per_row;
       i += stride) {
    const int64_t row = i / per_row, column = i % per_row * Vector<T>::kSize;
    const Vector<T> g = load(gate + row * in_stride + column);
    const Vector<T> u = load(up + row * in_stride + column);
    Vector<T> result;
#pragma unroll
    for (int k = 0; k < Vector<T>::kSize; ++k) {
      const float act = wide(rounded<T>(activated<GATE>(wide(g.x[k]))));
      result.x[k] = rounded<T>(__fmul_rn(act, wide(u.x[k])));
    }
    store(out + row * width + column, result);
  }
}

unsigned blocks_for(int64_t items) {
  constexpr int64_t kMost = 132 * 32;  // some waves of any current device
  const int64_t blocks = (items + kBlock - 1) / kBlock;
  return static_cast<unsigned>(blocks < kMost ? blocks : kMost);
}

template <typename T>
void gated_of(Gate gate, const void* g, const void* u, int64_t in_stride, void* out, int64_t rows,
              int64_t width, cudaStream_t stream) {
  const unsigned blocks = blocks_for(rows * width / Vector<T>::kSize);
  const auto run = [&](auto kernel) {
    kernel<<<blocks, kBlock, 0, stream>>>(static_cast<const T*>(g), static_cast<const T*>(u),
                                          in_stride, static_cast<T*>(out), rows, width);
  };
  switch (gate) {
    case Gate::Silu:
      run(gated_kernel<T, Gate::Silu>);
      break;
    case Gate::Gelu:
      run(gated_kernel<T, Gate::Gelu>);
      break;
    case Gate::GeluTanh:
      run(gated_kernel<T, Gate::GeluTanh>);
      break;
    case Gate::Relu:
      run(gated_kernel<T, Gate::Relu>);
      break;
  }
  check_launch("gated");
}

__global__ void gather_heads_kernel(Gather g) {
  const int64_t per_head = g.bytes_per_head / 16;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  const int64_t items = g.heads * g.rows * per_head;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < items;
       i += stride) {
    const int64_t part = i % per_head, row = i / per_head % g.rows, head = i / per_head / g.rows;
    const auto* from = static_cast<const char*>(g.x) + g.row_of[row] * g.row_stride +
                       g.head_of[head] * g.bytes_per_head;
    static_cast<uint4*>(g.out)[i] = reinterpret_cast<const uint4*>(from)[part];
  }
}

}  // namespace

bool available() { return true; }

void gated(Type type, Gate gate, const void* gate_values, const void* up, int64_t in_stride,
           void* out, int64_t rows, int64_t width, void* stream) {
  with_type(type, [&](auto zero) {
    gated_of<decltype(zero)>(gate, gate_values, up, in_stride, out, rows, width,
                             static_cast<cudaStream_t>(stream));
  });
}

void gather_heads(const Gather& g, void* stream) {
  const unsigned blocks = blocks_for(g.heads * g.rows * (g.bytes_per_head / 16));
  gather_heads_kernel<<<blocks, kBlock, 0, static_cast<cudaStream_t>(stream)>>>(g);
  check_launch("gather_heads");
}

}  // namespace qk::kernels::device
