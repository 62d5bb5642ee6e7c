#pragma once
/// Fused CUDA kernels: several elementwise steps in one trip through memory, rounded at the same
/// points as the ATen operations that they stand for (kernels/*.cpp holds those). Plain pointers in
/// device memory, 16-byte aligned rows; strides in elements; work is queued on `stream` (a
/// cudaStream_t). absent.cpp stands in when no CUDA compiler was found.
#include <cstdint>

namespace qk::kernels::device {

enum class Type { Float, Half, BFloat16 };

/// Whether this build has the kernels.
bool available();

struct Norm {
  const void* weight = nullptr;
  float eps = 0;
  bool one_plus = false;  ///< NormKind::OnePlusScale
};

struct AddNorm {
  void* residual = nullptr;      ///< [rows, width]; += branch where there is one
  const void* branch = nullptr;  ///< [rows, width] or nullptr
  void* out = nullptr;           ///< [rows, width], the norm of residual
  int64_t rows = 0, width = 0;
  int64_t residual_stride = 0, branch_stride = 0, out_stride = 0;
  Norm norm;
};
/// width: a multiple of 8, at most kMaxWidth.
constexpr int64_t kMaxWidth = 16384;
void add_rms_norm(Type type, const AddNorm& a, void* stream);

struct Heads {
  void* x = nullptr;  ///< [rows, heads, head_dim], changed in place
  int64_t rows = 0, heads = 0, head_dim = 0, row_stride = 0;
  Norm norm;                                  ///< over head_dim; weight nullptr: none
  const void *cos = nullptr, *sin = nullptr;  ///< [rows, pairs]; nullptr: no rotation
  int64_t pairs = 0;                          ///< even
  bool interleaved = false;                   ///< pairs (2j, 2j + 1), else (j, j + pairs)
  const void* factor = nullptr;               ///< [rows]; nullptr: 1
};
/// head_dim: even, at most kMaxHeadDim.
constexpr int64_t kMaxHeadDim = 256;
void norm_rotate(Type type, const Heads& h, void* stream);

enum class Gate { Silu, Gelu, GeluTanh, Relu };
/// out[r, c] = act(gate[r, c]) * up[r, c]; width a multiple of 8.
void gated(Type type, Gate gate, const void* gate_values, const void* up, int64_t in_stride,
           void* out, int64_t rows, int64_t width, void* stream);

/// out[h, r] = x[row_of[r], head_of[h]]: [heads, rows, bytes_per_head]. row_stride and
/// bytes_per_head in bytes, multiples of 16.
struct Gather {
  const void* x = nullptr;
  int64_t row_stride = 0, bytes_per_head = 0;
  const int32_t *row_of = nullptr, *head_of = nullptr;
  int64_t rows = 0, heads = 0;
  void* out = nullptr;
};
void gather_heads(const Gather& g, void* stream);

}  // namespace qk::kernels::device
