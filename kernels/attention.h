#pragma once
/// Causal attention with grouped queries, never repeating keys and never forming an S x S mask.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace qk::kernels {

/// Documents side by side in a pass: document d is rows[offsets[d] .. offsets[d + 1]).
struct Documents {
  std::vector<int64_t> offsets = {0};  ///< documents + 1
  at::Tensor device_offsets = {};      ///< the same, int32 on the GPU that runs the pass
};

struct AttentionShape {
  double scale = 1;
  std::optional<int64_t> window = {};  ///< a query sees itself and the window - 1 keys before it
};

/// Rows that q, k and v of these documents must have for causal_attention: a GPU's kernels run
/// lengths from a fixed set, and read finite values of no effect beyond a document's end.
int64_t attention_rows(const std::vector<int64_t>& offsets, at::Device device);

/// q: [rows, query_heads, head_dim]; k, v: [rows, key_heads, head_dim]; query head h uses key head
/// h / (query_heads / key_heads). Rows may have gaps; there are at least attention_rows() of them,
/// all finite. Returns [rows, query_heads * head_dim],
/// contiguous; rows outside of the documents are 0. Softmax in float32. A document's bits depend on
/// the document alone: its length decides the kernel. On a CPU call it outside of parallel regions.
at::Tensor causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const Documents& documents, const AttentionShape& shape);

/// Some queries of the pass.
struct QueryRows {
  const std::vector<int32_t>& rows;  ///< of q, ascending, all in the documents
  int64_t out_rows = 0;              ///< of the result, at least as many
};

/// The same for these queries alone: [out_rows, query_heads * head_dim], 0 behind them. On a GPU, a
/// long document with few of them has another kernel than causal_attention()'s, which gives a row
/// the same bits whichever others are asked for.
at::Tensor causal_attention_of_rows(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                    const Documents& documents, const AttentionShape& shape,
                                    const QueryRows& rows);

/// The formula, with an explicit mask and softmax: specification and test reference. Same arguments
/// and result.
at::Tensor causal_attention_reference(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                      const Documents& documents, const AttentionShape& shape);

}  // namespace qk::kernels
