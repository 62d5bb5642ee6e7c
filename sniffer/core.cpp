#include "sniffer/core.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>

#include "base/error.h"

namespace qk::sniffer {

/// The rows of one group in the whole pass.
struct Sniffer::Selection {
  std::vector<int64_t> row;  // of the pass
  std::vector<int32_t> bucket, example_id, position, token_id;
};

namespace {

template <typename T>
std::vector<T> part(const std::vector<T>& values, int64_t begin, int64_t end) {
  if (values.empty()) return {};
  return {values.begin() + begin, values.begin() + end};
}

/// [tokens, heads, head_dim] -> bytes of [chosen heads, rows, head_dim], on the CPU.
std::vector<std::byte> gather(const at::Tensor& vectors, const std::vector<int32_t>& heads,
                              const at::Tensor& rows) {
  const int64_t head_dim = vectors.size(2),
                bytes_per_head = rows.numel() * head_dim * vectors.element_size();
  const auto head_count = static_cast<int64_t>(heads.size());
  std::vector<std::byte> bytes(static_cast<size_t>(head_count * bytes_per_head));
  const at::Tensor device_rows = rows.to(vectors.device());
  const auto options = at::TensorOptions(vectors.scalar_type());
  const auto copy_heads = [&](int64_t begin, int64_t end) {
    const c10::InferenceMode inference;
    for (int64_t h = begin; h < end; ++h) {
      at::Tensor out =
          at::from_blob(bytes.data() + h * bytes_per_head, {rows.numel(), head_dim}, options);
      const at::Tensor head = vectors.select(1, heads[static_cast<size_t>(h)]);
      if (vectors.is_cpu()) {
        at::index_select_out(out, head, 0, device_rows);
      } else {
        out.copy_(head.index_select(0, device_rows));
      }
    }
  };
  if (vectors.is_cpu()) {
    at::parallel_for(0, head_count, 1, copy_heads);
  } else {
    copy_heads(0, head_count);
  }
  return bytes;
}

}  // namespace

Sniffer::Sniffer(const CaptureConfig& capture, saver::CaptureLayout layout, Sink sink,
                 const std::atomic<bool>* stop)
    : layout_(std::move(layout)),
      sampler_(capture.sampler, capture.min_bucket_size, capture.max_rows_per_batch),
      sink_(std::move(sink)),
      stop_(stop) {
  for (size_t i = 0; i < layout_.groups.size(); ++i) {
    group_of_[{layout_.groups[i].layer, layout_.groups[i].kind}] = static_cast<int32_t>(i);
  }
}

void Sniffer::begin_pass(std::vector<PassDocument> documents) {
  documents_ = std::move(documents);
  rows_.assign(documents_.size(), 0);
}

Sniffer::Selection Sniffer::select(const saver::LayerHeads& group) {
  Selection selection;
  int64_t first_row = 0;
  for (size_t d = 0; d < documents_.size(); ++d) {
    const PassDocument& document = documents_[d];
    const auto length = static_cast<int64_t>(document.ids.size());
    const std::vector<int32_t> positions =
        sampler_.select(document.example_id, group.layer, group.kind, group.heads.front(), length);
    for (const int32_t position : positions) {
      selection.row.push_back(first_row + position);
      selection.bucket.push_back(sampler_.bucket(position));
      selection.example_id.push_back(static_cast<int32_t>(document.example_id));
      selection.position.push_back(position);
      if (layout_.token_strings) {
        selection.token_id.push_back(document.ids[static_cast<size_t>(position)]);
      }
    }
    rows_[d] += static_cast<int64_t>(positions.size() * group.heads.size());
    first_row += length;
  }
  return selection;
}

void Sniffer::emit(int32_t group, const Selection& rows, int64_t begin, int64_t end,
                   const at::Tensor& vectors) {
  const std::vector<int64_t> wanted = part(rows.row, begin, end);
  sink_({.group = group,
         .bucket = part(rows.bucket, begin, end),
         .example_id = part(rows.example_id, begin, end),
         .position = part(rows.position, begin, end),
         .token_id = part(rows.token_id, begin, end),
         .vectors = gather(vectors, layout_.groups[static_cast<size_t>(group)].heads,
                           at::tensor(wanted, at::kLong))});
}

void Sniffer::take(int64_t layer, models::Kind kind, const at::Tensor& vectors) {
  if (stop_ != nullptr && *stop_) throw Interrupted("stopped");
  const auto found = group_of_.find({layer, static_cast<char>(kind)});
  QK_ASSERT(found != group_of_.end());
  QK_ASSERT(vectors.dim() == 3 && vectors.size(2) == layout_.head_dim);
  const saver::LayerHeads& group = layout_.groups[static_cast<size_t>(found->second)];
  const Selection rows = select(group);
  const auto count = static_cast<int64_t>(rows.row.size());
  const int64_t bytes_per_row =
      static_cast<int64_t>(group.heads.size()) * layout_.head_dim * vectors.element_size();
  const int64_t step = std::max<int64_t>(1, kBlockBytes / bytes_per_row);
  for (int64_t begin = 0; begin < count; begin += step) {
    emit(found->second, rows, begin, std::min(begin + step, count), vectors);
  }
}

}  // namespace qk::sniffer
