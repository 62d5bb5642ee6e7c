#include "kernels/attention_gpu.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <set>

#include "base/log.h"
#include "kernels/gather.h"
#include "kernels/upload.h"

namespace qk::kernels {
namespace {

/// From this length on a document fills the device by itself, and cuDNN's kernel is the faster one;
/// shorter ones share one call of the flash kernel.
constexpr int64_t kLong = 1024;

/// A query by itself takes the flash kernel as long as a tile of 128 queries of a document that
/// runs whole does, and cuDNN's kernel is nearly twice as fast.
constexpr int64_t kWorthTokens = 256;

/// cuDNN builds a plan for every length that it sees, so documents are run at the next of 32
/// lengths per octave. The rows beyond the document lie in every query's future.
int64_t plan_length(int64_t tokens) {
  const auto octave = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(tokens)));
  const int64_t step = std::max<int64_t>(128, octave / 32);
  return (tokens + step - 1) / step * step;
}

/// Head sizes that cuDNN refused on this device.
std::set<int64_t>& refused_by_cudnn() {
  static std::set<int64_t> head_dims;
  return head_dims;
}

bool whole(const AttentionShape& shape, int64_t tokens) {
  return !shape.window || tokens <= *shape.window;
}

/// rows: at least plan_length() of them. Returns [plan_length, heads, head_dim], undefined where
/// cuDNN has no kernel.
at::Tensor cudnn(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, double scale) {
  const int64_t head_dim = q.size(2);
  if (refused_by_cudnn().contains(head_dim)) return {};
  const auto batch_of_one = [](const at::Tensor& x) { return x.transpose(0, 1).unsqueeze(0); };
  try {
    const at::Tensor out = std::get<0>(at::_scaled_dot_product_cudnn_attention(
        batch_of_one(q), batch_of_one(k), batch_of_one(v), /*attn_bias=*/std::nullopt,
        /*compute_log_sumexp=*/false, /*dropout_p=*/0.0, /*is_causal=*/true,
        /*return_debug_mask=*/false, scale));
    return out.squeeze(0).transpose(0, 1);
  } catch (const c10::OutOfMemoryError&) {
    throw;
  } catch (const c10::Error& error) {
    log::debug("attention: cuDNN takes no head_dim {}; flash does: {}", head_dim,
               error.what_without_backtrace());
    refused_by_cudnn().insert(head_dim);
    return {};
  }
}

/// Documents first .. last - 1 in one call. Returns [rows of q, heads, head_dim]; rows outside of
/// these documents are not written.
at::Tensor flash(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                 const Documents& documents, size_t first, size_t last,
                 const AttentionShape& shape) {
  // At 1 the kernel takes another way through grouped queries, one without rows beyond the
  // documents.
  int64_t longest = 2;
  for (size_t d = first; d < last; ++d)
    longest = std::max(longest, documents.offsets[d + 1] - documents.offsets[d]);
  const at::Tensor offsets = documents.device_offsets.slice(0, static_cast<int64_t>(first),
                                                            static_cast<int64_t>(last) + 1);
  const std::optional<int64_t> left =
      shape.window ? std::optional(*shape.window - 1) : std::nullopt;
  return std::get<0>(at::_flash_attention_forward(
      q, k, v, offsets, offsets, longest, longest, /*dropout_p=*/0.0, /*is_causal=*/true,
      /*return_debug_mask=*/false, shape.scale, left,
      shape.window ? std::optional<int64_t>(0) : std::nullopt));
}

/// Runs documents one by one and in groups, into one tensor.
class Packed {
 public:
  /// without: documents that are left out.
  Packed(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const Documents& documents,
         const AttentionShape& shape, std::set<size_t> without = {})
      : q_(q), k_(k), v_(v), documents_(documents), shape_(shape), without_(std::move(without)) {}

  /// Undefined where all documents are left out.
  at::Tensor run() {
    const size_t count = documents_.offsets.size() - 1;
    for (size_t d = 0; d < count;) {
      if (without_.contains(d) || (runs_alone(d) && by_cudnn(d))) {
        ++d;
        continue;
      }
      const size_t first = d++;
      while (d < count && !without_.contains(d) && !runs_alone(d)) ++d;
      if (documents_.offsets[first] == documents_.offsets[d]) continue;  // the kernel takes no 0
      keep(flash(q_, k_, v_, documents_, first, d, shape_), documents_.offsets[first],
           documents_.offsets[first], documents_.offsets[d]);
    }
    return out_;
  }

 private:
  int64_t length(size_t d) const { return documents_.offsets[d + 1] - documents_.offsets[d]; }

  bool runs_alone(size_t d) const {
    return length(d) >= kLong && whole(shape_, length(d)) &&
           !refused_by_cudnn().contains(q_.size(2));
  }

  bool by_cudnn(size_t d) {
    const int64_t begin = documents_.offsets[d], end = begin + plan_length(length(d));
    const at::Tensor result = cudnn(q_.slice(0, begin, end), k_.slice(0, begin, end),
                                    v_.slice(0, begin, end), shape_.scale);
    if (!result.defined()) return false;
    keep(result, 0, begin, documents_.offsets[d + 1]);
    return true;
  }

  /// Rows begin .. end of the result are rows from .. of `part`. A part that holds all rows of the
  /// pass becomes the result as it is.
  void keep(const at::Tensor& part, int64_t from, int64_t begin, int64_t end) {
    const at::Tensor rows = part.flatten(1);
    const bool everything =
        begin == 0 && end == documents_.offsets.back() && rows.size(0) == q_.size(0);
    if (everything && rows.is_contiguous()) {
      out_ = rows;
      out_.slice(0, end).zero_();
      return;
    }
    if (!out_.defined()) {
      out_ = at::empty({q_.size(0), rows.size(1)}, rows.options());
      out_.slice(0, documents_.offsets.back()).zero_();
    }
    out_.slice(0, begin, end).copy_(rows.slice(0, from, from + end - begin));
  }

  const at::Tensor &q_, &k_, &v_;
  const Documents& documents_;
  const AttentionShape& shape_;
  const std::set<size_t> without_;
  at::Tensor out_;
};

/// Queries of some documents, each as a sequence of its own.
struct SingleQueries {
  std::vector<int64_t> place;      // in the result
  std::vector<int64_t> row;        // of q
  std::vector<int32_t> first_key;  // of its document, and one more
  std::vector<int32_t> keys;       // that it sees
};

/// Returns [queries, heads * head_dim]. A tile of the kernel holds a single query, so its bits
/// depend on that query alone.
at::Tensor flash_one_by_one(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const SingleQueries& queries, double scale) {
  const auto count = std::ssize(queries.row);
  const at::Tensor index = upload(queries.row, q.device());
  const at::Tensor own = at::arange(count + 1, at::TensorOptions(at::kInt).device(q.device()));
  // Told longer than they are: at 1 the kernel may cut the keys among blocks, by how many there
  // are.
  const int64_t longest_query = 2;
  const at::Tensor out = std::get<0>(at::_flash_attention_forward(
      q.index_select(0, index), k, v, own, upload(queries.first_key, q.device()), longest_query,
      std::ranges::max(queries.keys), /*dropout_p=*/0.0, /*is_causal=*/true,
      /*return_debug_mask=*/false, scale, std::nullopt, std::nullopt,
      upload(queries.keys, q.device())));
  return out.flatten(1);
}

}  // namespace

bool gpu_takes(const at::Tensor& q, const Documents& documents) {
  const int64_t head_dim = q.size(2);
  return q.is_cuda() && documents.device_offsets.defined() && q.element_size() == 2 &&
         head_dim % 8 == 0 && head_dim <= 256;
}

int64_t gpu_attention_rows(const std::vector<int64_t>& offsets) {
  int64_t rows = offsets.back();
  for (size_t d = 0; d + 1 < offsets.size(); ++d) {
    const int64_t length = offsets[d + 1] - offsets[d];
    if (length >= kLong) rows = std::max(rows, offsets[d] + plan_length(length));
  }
  return rows;
}

at::Tensor causal_attention_of_rows_gpu(const at::Tensor& q, const at::Tensor& k,
                                        const at::Tensor& v, const Documents& documents,
                                        const AttentionShape& shape, const QueryRows& rows) {
  SingleQueries single;
  std::set<size_t> left_out;
  const std::vector<int32_t>& all = rows.rows;
  auto row = all.begin();
  for (size_t d = 0; d + 1 < documents.offsets.size(); ++d) {
    const auto begin = static_cast<int32_t>(documents.offsets[d]);
    const auto end = std::lower_bound(row, all.end(), documents.offsets[d + 1]);
    const int64_t length = documents.offsets[d + 1] - begin;
    if (length >= kLong && whole(shape, length) && (end - row) * kWorthTokens <= length) {
      left_out.insert(d);
      for (auto own = row; own != end; ++own) {
        single.place.push_back(own - all.begin());
        single.row.push_back(*own);
        single.first_key.push_back(begin);
        single.keys.push_back(*own - begin + 1);
      }
    }
    row = end;
  }
  if (left_out.empty())
    return pick_rows(causal_attention_gpu(q, k, v, documents, shape), all, rows.out_rows);
  const at::Tensor others = Packed(q, k, v, documents, shape, std::move(left_out)).run();
  at::Tensor out = others.defined()
                       ? pick_rows(others, all, rows.out_rows)
                       : at::zeros({rows.out_rows, q.size(1) * q.size(2)}, q.options());
  if (single.row.empty()) return out;
  single.first_key.push_back(single.first_key.back());
  return out.index_copy_(0, upload(single.place, q.device()),
                         flash_one_by_one(q, k, v, single, shape.scale));
}

at::Tensor causal_attention_gpu(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                const Documents& documents, const AttentionShape& shape) {
  return Packed(q, k, v, documents, shape).run();
}

}  // namespace qk::kernels
