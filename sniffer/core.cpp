#include "sniffer/core.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "kernels/gather.h"

namespace qk::sniffer {

/// The rows of one group in the whole pass.
struct Sniffer::Selection {
  std::vector<int32_t> row;  // of the pass
  std::vector<int32_t> bucket, example_id, position, token_id;
  std::vector<int64_t> rows_by_document;  // of one head
};

namespace {

template <typename T>
std::vector<T> part(const std::vector<T>& values, int64_t begin, int64_t end) {
  if (values.empty()) return {};
  return {values.begin() + begin, values.begin() + end};
}

at::Tensor upload(const std::vector<int32_t>& values, at::Device device) {
  const auto options = at::TensorOptions(at::kInt).pinned_memory(!device.is_cpu());
  at::Tensor tensor = at::empty({static_cast<int64_t>(values.size())}, options);
  std::ranges::copy(values, tensor.mutable_data_ptr<int32_t>());
  return device.is_cpu() ? tensor : tensor.to(device, /*non_blocking=*/true);
}

}  // namespace

Sniffer::Sniffer(const CaptureConfig& capture, saver::CaptureLayout layout, Options options,
                 Sink sink, PassDone pass_done)
    : layout_(std::move(layout)),
      sampler_(capture.sampler, capture.min_bucket_size, capture.max_rows_per_batch),
      options_(options),
      stage_(options.device, options.stage_bytes, std::move(sink), std::move(pass_done)) {
  for (size_t i = 0; i < layout_.groups.size(); ++i) {
    group_of_[{layout_.groups[i].layer, layout_.groups[i].kind}] = i;
    heads_.push_back(upload(layout_.groups[i].heads, options_.device));
  }
  selections_.resize(layout_.groups.size());
}

Sniffer::~Sniffer() = default;

Sniffer::Selection Sniffer::select(const saver::LayerHeads& group,
                                   const std::vector<PassDocument>& documents) const {
  Selection selection;
  int64_t first_row = 0;
  for (const PassDocument& document : documents) {
    const auto length = static_cast<int64_t>(document.ids.size());
    const std::vector<int32_t> positions =
        sampler_.select(document.example_id, group.layer, group.kind, group.heads.front(), length);
    for (const int32_t position : positions) {
      selection.row.push_back(static_cast<int32_t>(first_row + position));
      selection.bucket.push_back(sampler_.bucket(position));
      selection.example_id.push_back(static_cast<int32_t>(document.example_id));
      selection.position.push_back(position);
      if (layout_.token_strings)
        selection.token_id.push_back(document.ids[static_cast<size_t>(position)]);
    }
    selection.rows_by_document.push_back(static_cast<int64_t>(positions.size()));
    first_row += length;
  }
  return selection;
}

void Sniffer::begin_pass(const std::vector<PassDocument>& documents) {
  const auto groups = static_cast<int64_t>(layout_.groups.size());
  at::parallel_for(0, groups, 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i)
      selections_[i] = select(layout_.groups[i], documents);
  });
  std::vector<int32_t> index;
  first_row_of_.clear();
  rows_.assign(documents.size(), 0);
  int64_t vectors = 0;
  for (size_t i = 0; i < selections_.size(); ++i) {
    const Selection& selection = selections_[i];
    const auto heads = static_cast<int64_t>(layout_.groups[i].heads.size());
    first_row_of_.push_back(static_cast<int64_t>(index.size()));
    index.insert(index.end(), selection.row.begin(), selection.row.end());
    vectors += static_cast<int64_t>(selection.row.size()) * heads;
    for (size_t d = 0; d < documents.size(); ++d) rows_[d] += selection.rows_by_document[d] * heads;
  }
  row_index_ = upload(index, options_.device);
  stage_.expect(vectors * layout_.head_dim * saver::bytes_of(layout_.vector_type));
}

void Sniffer::take(int64_t layer, models::Kind kind, const at::Tensor& vectors) {
  if (options_.stop != nullptr && *options_.stop) throw Interrupted("stopped");
  const auto found = group_of_.find({layer, static_cast<char>(kind)});
  QK_ASSERT(found != group_of_.end());
  QK_ASSERT(vectors.dim() == 3 && vectors.size(2) == layout_.head_dim);
  QK_ASSERT(vectors.element_size() == saver::bytes_of(layout_.vector_type));
  const size_t group = found->second;
  const auto count = static_cast<int64_t>(selections_[group].row.size());
  const int64_t bytes_per_row = heads_[group].numel() * layout_.head_dim * vectors.element_size();
  const int64_t step = std::max<int64_t>(1, RowStage::kBlockBytes / bytes_per_row);
  for (int64_t begin = 0; begin < count; begin += step)
    emit(group, begin, std::min(begin + step, count), vectors);
}

void Sniffer::emit(size_t group, int64_t begin, int64_t end, const at::Tensor& vectors) {
  const Selection& rows = selections_[group];
  const int64_t count = end - begin, heads = heads_[group].numel();
  const at::Tensor index = row_index_.narrow(0, first_row_of_[group] + begin, count);
  stage_.add({.block = {.group = static_cast<int32_t>(group),
                        .bucket = part(rows.bucket, begin, end),
                        .example_id = part(rows.example_id, begin, end),
                        .position = part(rows.position, begin, end),
                        .token_id = part(rows.token_id, begin, end),
                        .vectors = {}},
              .bytes = heads * count * layout_.head_dim * vectors.element_size()},
             [&](const at::Tensor& memory) {
               kernels::gather_heads_out(
                   memory.view(vectors.scalar_type()).view({heads, count, layout_.head_dim}),
                   vectors, index, heads_[group]);
             });
}

void Sniffer::end_pass() { stage_.end_pass(rows_); }

void Sniffer::finish_passes(size_t keep) { stage_.drain(keep); }

bool Sniffer::drop_pass() { return stage_.drop_pass(); }

}  // namespace qk::sniffer
