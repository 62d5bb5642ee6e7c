#pragma once
/// Causal attention of one document with grouped queries, never repeating keys and never forming an
/// S x S mask.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

namespace qk::kernels {

/// q: [tokens, query_heads, head_dim]; k, v: [tokens, key_heads, head_dim]; query head h uses key
/// head h / (query_heads / key_heads). window: a query sees itself and the window - 1 keys before
/// it; nullopt: all before it. Returns [tokens, query_heads * head_dim], contiguous. Softmax in
/// float32. Bits depend on the document alone. Parallel inside (ATen's fused CPU kernel works head
/// by head, row block by row block), so call it outside of parallel regions.
at::Tensor causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            double scale, std::optional<int64_t> window);

/// The formula, with an explicit mask and softmax: specification and test reference. Same arguments
/// and result.
at::Tensor causal_attention_reference(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                      double scale, std::optional<int64_t> window);

}  // namespace qk::kernels
