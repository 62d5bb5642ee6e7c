#include "kernels/device/common.cuh"

namespace qk::kernels::device {
namespace {

/// One vector of pairs per thread: 16 bytes of first and 16 of second elements. A head's threads
/// lie side by side in a warp.
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
    for (int k = 0; k < kSize; ++k) result.x[k] = rounded<T>(__fmul_rn(value[side][k], factor));
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
  const float scale = weight == nullptr
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

}  // namespace

void norm_rotate(Type type, const Heads& h, void* stream) {
  with_type(type, [&](auto zero) {
    norm_rotate_of<decltype(zero)>(h, static_cast<cudaStream_t>(stream));
  });
}

}  // namespace qk::kernels::device
