#include "kernels/attention.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "kernels/attention_gpu.h"
#include "kernels/gather.h"

namespace qk::kernels {
namespace {

/// Query rows of a windowed tile: wide enough for the fused kernel, small beside released windows
/// (512 to 4096).
constexpr int64_t kWindowTile = 512;

/// Queries of a call of the fused kernel on a CPU. With fewer, the memory of its second thread is
/// not aligned, and on some processors MKL's bits then depend on the thread that has a head.
constexpr int64_t kLeastQueries = 32;

/// [tokens, heads, head_dim] -> [key_heads, group, tokens, head_dim] without copying; keys and
/// values repeat with stride 0.
at::Tensor by_key_head(const at::Tensor& x, int64_t key_heads, int64_t group) {
  return x.unflatten(1, {key_heads, -1})
      .permute({1, 2, 0, 3})
      .expand({key_heads, group, x.size(0), x.size(2)});
}

/// True where key `lo + column` is visible to query `begin + row`.
at::Tensor visible(int64_t begin, int64_t end, int64_t lo, std::optional<int64_t> window,
                   at::Device device) {
  const auto options = at::TensorOptions(at::kLong).device(device);
  const at::Tensor query = at::arange(begin, end, options).unsqueeze(1);
  const at::Tensor key = at::arange(lo, end, options).unsqueeze(0);
  const at::Tensor causal = key <= query;
  return window ? causal.logical_and(key > query - *window) : causal;
}

at::Tensor fused(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, double scale,
                 bool causal, const std::optional<at::Tensor>& mask) {
  if (q.device().is_cpu()) {
    const int64_t tokens = q.size(2), rows = std::max(tokens, kLeastQueries);
    const auto padded = [&](const at::Tensor& x, int64_t dim) {
      if (x.size(dim) == rows) return x;
      std::vector<int64_t> shape = x.sizes().vec();
      shape[static_cast<size_t>(dim)] = rows - tokens;
      return at::cat({x, at::zeros(shape, x.options())}, dim);
    };
    return std::get<0>(at::_scaled_dot_product_flash_attention_for_cpu(
                           padded(q, 2), k, v, /*dropout_p=*/0.0, causal,
                           mask ? std::optional(padded(*mask, 0)) : std::nullopt, scale))
        .slice(2, 0, tokens);
  }
  // Its kernels don't take heads that repeat with stride 0, and what it does instead forms S x S.
  const auto repeated = [](const at::Tensor& x) {
    return x.reshape({1, -1, x.size(2), x.size(3)});
  };
  return at::scaled_dot_product_attention(repeated(q), repeated(k), repeated(v), mask,
                                          /*dropout_p=*/0.0, causal, scale)
      .view(q.sizes());
}

/// [key_heads, group, tokens, head_dim] -> rows of [tokens, query_heads * head_dim].
void store(at::Tensor out, const at::Tensor& heads) {
  out.view({out.size(0), heads.size(0), heads.size(1), heads.size(3)})
      .copy_(heads.permute({2, 0, 1, 3}));
}

/// One document; out: its rows.
void attend(at::Tensor out, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
            const AttentionShape& shape) {
  const int64_t tokens = q.size(0), key_heads = k.size(1), group = q.size(1) / key_heads;
  const at::Tensor queries = by_key_head(q, key_heads, group);
  const at::Tensor keys = by_key_head(k, key_heads, group),
                   values = by_key_head(v, key_heads, group);
  if (!shape.window || tokens <= *shape.window) {
    store(out, fused(queries, keys, values, shape.scale, /*causal=*/true, std::nullopt));
    return;
  }
  for (int64_t begin = 0; begin < tokens; begin += kWindowTile) {
    const int64_t end = std::min(begin + kWindowTile, tokens);
    const int64_t lo = std::max<int64_t>(0, begin - *shape.window + 1);
    const at::Tensor hidden = visible(begin, end, lo, shape.window, q.device()).logical_not_();
    const at::Tensor mask = at::zeros(hidden.sizes(), q.options())
                                .masked_fill_(hidden, -std::numeric_limits<double>::infinity());
    store(out.slice(0, begin, end),
          fused(queries.slice(2, begin, end), keys.slice(2, lo, end), values.slice(2, lo, end),
                shape.scale, /*causal=*/false, mask));
  }
}

void attend_reference(at::Tensor out, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                      const AttentionShape& shape) {
  const int64_t tokens = q.size(0), key_heads = k.size(1), group = q.size(1) / key_heads;
  const auto wide = [&](const at::Tensor& x) {
    return by_key_head(x, key_heads, group).to(at::kFloat);
  };
  const at::Tensor hidden = visible(0, tokens, 0, shape.window, q.device()).logical_not_();
  const at::Tensor scores = at::matmul(wide(q), wide(k).transpose(-1, -2))
                                .mul_(shape.scale)
                                .masked_fill_(hidden, -std::numeric_limits<double>::infinity());
  store(out, at::matmul(scores.softmax(-1), wide(v)));
}

template <typename Attend>
at::Tensor each_document(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                         const Documents& documents, const Attend& attend) {
  at::Tensor out = at::empty({q.size(0), q.size(1) * q.size(2)}, q.options());
  out.slice(0, documents.offsets.back()).zero_();
  for (size_t d = 0; d + 1 < documents.offsets.size(); ++d) {
    const int64_t begin = documents.offsets[d], end = documents.offsets[d + 1];
    if (begin == end) continue;
    attend(out.slice(0, begin, end), q.slice(0, begin, end), k.slice(0, begin, end),
           v.slice(0, begin, end));
  }
  return out;
}

}  // namespace

int64_t attention_rows(const std::vector<int64_t>& offsets, at::Device device) {
  return device.is_cuda() ? gpu_attention_rows(offsets) : offsets.back();
}

at::Tensor causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const Documents& documents, const AttentionShape& shape) {
  if (gpu_takes(q, documents)) return causal_attention_gpu(q, k, v, documents, shape);
  return each_document(q, k, v, documents,
                       [&](const auto& out, const auto&... qkv) { attend(out, qkv..., shape); });
}

at::Tensor causal_attention_of_rows(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                    const Documents& documents, const AttentionShape& shape,
                                    const QueryRows& rows) {
  if (gpu_takes(q, documents)) return causal_attention_of_rows_gpu(q, k, v, documents, shape, rows);
  return pick_rows(causal_attention(q, k, v, documents, shape), rows.rows, rows.out_rows);
}

at::Tensor causal_attention_reference(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                      const Documents& documents, const AttentionShape& shape) {
  return each_document(q, k, v, documents, [&](const auto& out, const auto&... qkv) {
    attend_reference(out, qkv..., shape);
  });
}

}  // namespace qk::kernels
