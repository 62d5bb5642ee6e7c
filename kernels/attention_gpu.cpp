#include "kernels/attention_gpu.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <set>

#include "base/log.h"

namespace qk::kernels {
namespace {

/// From this length on a document fills the device by itself, and cuDNN's kernel is the faster one;
/// shorter ones share one call of the flash kernel.
constexpr int64_t kLong = 1024;

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
  Packed(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const Documents& documents,
         const AttentionShape& shape)
      : q_(q), k_(k), v_(v), documents_(documents), shape_(shape) {}

  at::Tensor run() {
    const size_t count = documents_.offsets.size() - 1;
    for (size_t d = 0; d < count;) {
      if (runs_alone(d) && by_cudnn(d)) {
        ++d;
        continue;
      }
      const size_t first = d++;
      while (d < count && !runs_alone(d)) ++d;
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
  at::Tensor out_;
};

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

at::Tensor causal_attention_gpu(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                const Documents& documents, const AttentionShape& shape) {
  return Packed(q, k, v, documents, shape).run();
}

}  // namespace qk::kernels
