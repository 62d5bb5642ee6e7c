#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

#include "kernels/device/fused.h"

namespace qk::kernels::device {
namespace {

constexpr int kWarp = 32;

void check_launch(const char* kernel) {
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
__device__ float rounded<float>(float x) {
  return x;
}
template <>
__device__ __half rounded<__half>(float x) {
  return __float2half_rn(x);
}
template <>
__device__ __nv_bfloat16 rounded<__nv_bfloat16>(float x) {
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

__device__ float warp_sum(float x) {
#pragma unroll
  for (int offset = kWarp / 2; offset > 0; offset /= 2) x += __shfl_xor_sync(~0u, x, offset);
  return x;
}

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

template <typename T>
__device__ T scaled(float unit, T weight, bool one_plus) {
  if (one_plus) return rounded<T>(__fmul_rn(unit, __fadd_rn(1.0f, wide(weight))));
  return rounded<T>(__fmul_rn(wide(rounded<T>(unit)), wide(weight)));
}

constexpr int kNormBlock = 128;  ///< threads, where several rows share a block

/// LANES threads a row, each with VECTORS vectors of it in registers.
template <typename T, int LANES, int VECTORS>
__global__ void add_rms_norm_kernel(AddNorm a) {
  constexpr int kSize = Vector<T>::kSize;
  const int lane = threadIdx.x % LANES;
  const int64_t row =
      static_cast<int64_t>(blockIdx.x) * (blockDim.x / LANES) + threadIdx.x / LANES;
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

constexpr int kBlock = 256;

/// One vector of pairs per thread: 16 bytes of first and 16 of second elements. A head's threads lie
/// side by side in a warp.
template <typename T, bool NORM, bool INTERLEAVED>
__global__ void norm_rotate_vectors(Heads h) {
  constexpr int kSize = Vector<T>::kSize;
  const auto per_head = static_cast<unsigned>(h.pairs / kSize);
  const auto per_row = static_cast<unsigned>(h.heads) * per_head;
  const unsigned i = blockIdx.x * kBlock + threadIdx.x;
  const unsigned row = i / per_row, in_row = i % per_row;
  const unsigned head = in_row / per_head, pair = in_row % per_head * kSize;
  const bool inside = row < h.rows;
  T* x = static_cast<T*>(h.x) + row * h.row_stride + head * h.head_dim;
  T* const place[2] = {INTERLEAVED ? x + 2 * pair : x + pair,
                       INTERLEAVED ? x + 2 * pair + kSize : x + pair + h.pairs};
  float value[2][kSize];
  if (inside) {
#pragma unroll
    for (int side = 0; side < 2; ++side) {
      const Vector<T> loaded = load(place[side]);
#pragma unroll
      for (int k = 0; k < kSize; ++k) value[side][k] = wide(loaded.x[k]);
    }
  }
  if constexpr (NORM) {
    float sum = 0;
#pragma unroll
    for (int k = 0; k < kSize; ++k)
      sum += inside ? value[0][k] * value[0][k] + value[1][k] * value[1][k] : 0.0f;
    for (unsigned offset = per_head / 2; offset > 0; offset /= 2)
      sum += __shfl_xor_sync(~0u, sum, offset);
    const float scale = rsqrtf(sum / static_cast<float>(h.head_dim) + h.norm.eps);
    if (inside) {
#pragma unroll
      for (int side = 0; side < 2; ++side) {
        const Vector<T> w = load(static_cast<const T*>(h.norm.weight) + (place[side] - x));
#pragma unroll
        for (int k = 0; k < kSize; ++k)
          value[side][k] =
              wide(scaled<T>(__fmul_rn(value[side][k], scale), w.x[k], h.norm.one_plus));
      }
    }
  }
  if (!inside) return;
  const Vector<T> cos = load(static_cast<const T*>(h.cos) + row * h.pairs + pair);
  const Vector<T> sin = load(static_cast<const T*>(h.sin) + row * h.pairs + pair);
#pragma unroll
  for (int k = 0; k < kSize; ++k) {
    // Pair k of the vector: in the interleaved layout two neighbours of the 2 * kSize values.
    float& a = INTERLEAVED ? value[2 * k / kSize][2 * k % kSize] : value[0][k];
    float& b = INTERLEAVED ? value[2 * k / kSize][2 * k % kSize + 1] : value[1][k];
    const float c = wide(cos.x[k]), s = wide(sin.x[k]);
    const float first = plus<T>(times<T>(a, c), -times<T>(b, s));
    b = plus<T>(times<T>(b, c), times<T>(a, s));
    a = first;
  }
  const float factor = h.factor == nullptr ? 1.0f : wide(static_cast<const T*>(h.factor)[row]);
#pragma unroll
  for (int side = 0; side < 2; ++side) {
    Vector<T> result;
#pragma unroll
    for (int k = 0; k < kSize; ++k)
      result.x[k] = rounded<T>(__fmul_rn(value[side][k], factor));
    store(place[side], result);
  }
}

/// Whether norm_rotate_vectors takes it: whole vectors of pairs, 16-byte rows of the tables, and a
/// norm over exactly the values that the threads of a head hold.
template <typename T>
bool fits_vectors(const Heads& h) {
  const int64_t per_head = h.pairs / Vector<T>::kSize;
  if (h.cos == nullptr || h.pairs % Vector<T>::kSize != 0) return false;
  const bool whole = 2 * h.pairs == h.head_dim;
  if (h.norm.weight == nullptr) return whole || h.factor == nullptr;
  return whole && per_head <= kWarp && (per_head & (per_head - 1)) == 0;
}

template <typename T>
void launch_norm_rotate_vectors(const Heads& h, cudaStream_t stream) {
  const int64_t threads = h.rows * h.heads * (h.pairs / Vector<T>::kSize);
  const auto blocks = static_cast<unsigned>((threads + kBlock - 1) / kBlock);
  const auto run = [&](auto kernel) { kernel<<<blocks, kBlock, 0, stream>>>(h); };
  if (h.norm.weight != nullptr) {
    h.interleaved ? run(norm_rotate_vectors<T, true, true>)
                  : run(norm_rotate_vectors<T, true, false>);
  } else {
    h.interleaved ? run(norm_rotate_vectors<T, false, true>)
                  : run(norm_rotate_vectors<T, false, false>);
  }
  check_launch("norm_rotate");
}

// The same for every other shape: one warp per (row, head), through shared memory.
constexpr int kHeadWarps = 8;  ///< of a block
constexpr int kPairsPerLane = kMaxHeadDim / 2 / kWarp;

template <typename T>
struct alignas(2 * sizeof(T)) Two {
  T first, second;
};

/// One value after the rotation; values: the head before it.
template <typename T>
__device__ float rotated(const Heads& h, const float* values, const T* cos, const T* sin, int i) {
  if (i >= 2 * h.pairs) return values[i];
  const int pairs = static_cast<int>(h.pairs);
  const int pair = h.interleaved ? i / 2 : i % pairs;
  const bool is_first = h.interleaved ? i % 2 == 0 : i < pairs;
  const float a = values[h.interleaved ? 2 * pair : pair];
  const float b = values[h.interleaved ? 2 * pair + 1 : pair + pairs];
  const float c = wide(cos[pair]), s = wide(sin[pair]);
  return is_first ? plus<T>(times<T>(a, c), -times<T>(b, s))
                  : plus<T>(times<T>(b, c), times<T>(a, s));
}

template <typename T>
__global__ void norm_rotate_kernel(Heads h) {
  __shared__ float shared[kHeadWarps][kMaxHeadDim];
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const int64_t unit = static_cast<int64_t>(blockIdx.x) * kHeadWarps + warp;
  const int64_t row = unit / h.heads;
  if (row >= h.rows) return;
  float* values = shared[warp];
  auto* x = reinterpret_cast<Two<T>*>(static_cast<T*>(h.x) + row * h.row_stride +
                                      unit % h.heads * h.head_dim);
  const int twos = static_cast<int>(h.head_dim / 2);
  Two<T> own[kPairsPerLane];
  float sum = 0;
#pragma unroll
  for (int v = 0; v < kPairsPerLane; ++v) {
    const int i = lane + v * kWarp;
    if (i >= twos) continue;
    own[v] = x[i];
    const float a = wide(own[v].first), b = wide(own[v].second);
    sum += a * a + b * b;
  }
  const T* weight = static_cast<const T*>(h.norm.weight);
  const float scale =
      weight == nullptr
          ? 1.0f
          : rsqrtf(warp_sum(sum) / static_cast<float>(h.head_dim) + h.norm.eps);
#pragma unroll
  for (int v = 0; v < kPairsPerLane; ++v) {
    const int i = lane + v * kWarp;
    if (i >= twos) continue;
    float a = wide(own[v].first), b = wide(own[v].second);
    if (weight != nullptr) {
      a = wide(scaled<T>(__fmul_rn(a, scale), weight[2 * i], h.norm.one_plus));
      b = wide(scaled<T>(__fmul_rn(b, scale), weight[2 * i + 1], h.norm.one_plus));
    }
    values[2 * i] = a;
    values[2 * i + 1] = b;
  }
  __syncwarp();
  const T* cos = static_cast<const T*>(h.cos) + row * h.pairs;
  const T* sin = static_cast<const T*>(h.sin) + row * h.pairs;
  const bool turns = h.cos != nullptr;
  const T* factor = static_cast<const T*>(h.factor);
#pragma unroll
  for (int v = 0; v < kPairsPerLane; ++v) {
    const int i = lane + v * kWarp;
    if (i >= twos) continue;
    float a = turns ? rotated<T>(h, values, cos, sin, 2 * i) : values[2 * i];
    float b = turns ? rotated<T>(h, values, cos, sin, 2 * i + 1) : values[2 * i + 1];
    if (factor != nullptr) {
      a = times<T>(a, wide(factor[row]));
      b = times<T>(b, wide(factor[row]));
    }
    x[i] = {rounded<T>(a), rounded<T>(b)};
  }
}

template <typename T>
void norm_rotate_of(const Heads& h, cudaStream_t stream) {
  if (fits_vectors<T>(h)) {
    launch_norm_rotate_vectors<T>(h, stream);
    return;
  }
  const auto blocks = static_cast<unsigned>((h.rows * h.heads + kHeadWarps - 1) / kHeadWarps);
  norm_rotate_kernel<T><<<blocks, kHeadWarps * kWarp, 0, stream>>>(h);
  check_launch("norm_rotate");
}

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

}  // namespace

bool available() { return true; }

void add_rms_norm(Type type, const AddNorm& a, void* stream) {
  with_type(type, [&](auto zero) {
    add_rms_norm_of<decltype(zero)>(a, static_cast<cudaStream_t>(stream));
  });
}

void norm_rotate(Type type, const Heads& h, void* stream) {
  with_type(type, [&](auto zero) {
    norm_rotate_of<decltype(zero)>(h, static_cast<cudaStream_t>(stream));
  });
}

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
