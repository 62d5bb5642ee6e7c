#include "sniffer/core.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "kernels/gather.h"
#include "kernels/upload.h"

namespace qk::sniffer {

using kernels::upload;

/// The rows of one group in the whole pass.
struct Sniffer::Selection {
  std::vector<int32_t> row;  // of what the tap is shown
  std::vector<int32_t> bucket, example_id, position, token_id;
  std::vector<int64_t> rows_by_document;  // of one head
  std::vector<int64_t> unit_ends;         // rows up to the end of each unit
};

namespace {

template <typename T>
std::vector<T> part(const std::vector<T>& values, int64_t begin, int64_t end) {
  if (values.empty()) return {};
  return {values.begin() + begin, values.begin() + end};
}

/// Rows of a block that a part of the pass has.
struct PartOfBlock {
  std::vector<int32_t> row;    // of the part
  std::vector<int64_t> place;  // in the block
};

/// rows: of the block, in the pass; the part has `count` of them from `first` on.
PartOfBlock part_of_block(std::span<const int32_t> rows, int64_t first, int64_t count) {
  PartOfBlock own;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] < first || rows[i] >= first + count) continue;
    own.row.push_back(static_cast<int32_t>(rows[i] - first));
    own.place.push_back(static_cast<int64_t>(i));
  }
  return own;
}

}  // namespace

Sniffer::Sniffer(const CaptureConfig& capture, saver::CaptureLayout layout, Options options,
                 Sink sink, PassDone pass_done)
    : layout_(std::move(layout)),
      sampler_(capture.sampler, capture.min_bucket_size, capture.max_rows_per_batch),
      options_(std::move(options)),
      stage_(options_.stage_bytes, std::move(sink), std::move(pass_done)) {
  for (size_t i = 0; i < layout_.groups.size(); ++i) {
    group_of_[{layout_.groups[i].layer, layout_.groups[i].kind}] = i;
  }
  for (const at::Device device : options_.devices) {
    heads_.emplace_back();
    for (const saver::LayerHeads& group : layout_.groups)
      heads_.back().push_back(upload(group.heads, device));
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
    selection.unit_ends.resize(document.unit + 1);
    selection.unit_ends.back() = std::ssize(selection.row);
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
  int64_t tokens = 0;
  for (const PassDocument& document : documents) tokens += std::ssize(document.ids);
  narrow_last_layer(tokens);
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
  if (options_.devices.size() == 1) row_index_ = upload(index, options_.devices[0]);
  stage_.expect(vectors * layout_.head_dim * saver::bytes_of(layout_.vector_type));
}

/// Of the last layer only those rows are shown that one of its groups keeps.
void Sniffer::narrow_last_layer(int64_t tokens) {
  last_rows_.reset();
  if (options_.devices.front().is_cpu()) return;
  const auto is_last = [&](size_t group) {
    return layout_.groups[group].layer == layout_.groups.back().layer;
  };
  std::vector<int32_t> rows;
  for (size_t i = 0; i < selections_.size(); ++i)
    if (is_last(i)) rows.insert(rows.end(), selections_[i].row.begin(), selections_[i].row.end());
  std::ranges::sort(rows);
  rows.erase(std::ranges::unique(rows).begin(), rows.end());
  if (std::ssize(rows) == tokens) return;
  for (size_t i = 0; i < selections_.size(); ++i) {
    if (!is_last(i)) continue;
    for (int32_t& row : selections_[i].row)
      row = static_cast<int32_t>(std::ranges::lower_bound(rows, row) - rows.begin());
  }
  last_rows_ = std::move(rows);
}

void Sniffer::take(int64_t layer, models::Kind kind, std::span<const at::Tensor> parts) {
  if (options_.stop != nullptr && *options_.stop) throw Interrupted("stopped");
  const auto found = group_of_.find({layer, static_cast<char>(kind)});
  QK_ASSERT(found != group_of_.end());
  QK_ASSERT(parts.size() == 1 || parts.size() == options_.devices.size());
  for (const at::Tensor& vectors : parts) {
    QK_ASSERT(vectors.dim() == 3 && vectors.size(2) == layout_.head_dim);
    QK_ASSERT(vectors.element_size() == saver::bytes_of(layout_.vector_type));
  }
  const size_t group = found->second;
  const int64_t step = std::max<int64_t>(1, RowStage::kBlockBytes / bytes_per_row(group));
  const std::vector<int64_t>& ends = selections_[group].unit_ends;
  int64_t begin = 0;
  for (size_t unit = 0; unit < ends.size(); ++unit) {
    while (begin < ends[unit]) {
      const int64_t end = std::min(begin + step, ends[unit]);
      emit(group, unit, std::exchange(begin, end), end, parts);
    }
  }
}

int64_t Sniffer::bytes_per_row(size_t group) const {
  return std::ssize(layout_.groups[group].heads) * layout_.head_dim *
         saver::bytes_of(layout_.vector_type);
}

void Sniffer::emit(size_t group, size_t unit, int64_t begin, int64_t end,
                   std::span<const at::Tensor> parts) {
  const Selection& rows = selections_[group];
  const int64_t count = end - begin, heads = std::ssize(layout_.groups[group].heads);
  stage_.add({.block = {.group = static_cast<int32_t>(group),
                        .bucket = part(rows.bucket, begin, end),
                        .example_id = part(rows.example_id, begin, end),
                        .position = part(rows.position, begin, end),
                        .token_id = part(rows.token_id, begin, end),
                        .vectors = {}},
              .unit = unit,
              .bytes = count * bytes_per_row(group)},
             parts[0].device(), [&](const at::Tensor& memory) {
               gather(memory.view(parts[0].scalar_type()).view({heads, count, layout_.head_dim}),
                      group, begin, parts);
             });
}

/// out: [heads, rows, head_dim], the rows of the selection from `begin` on.
void Sniffer::gather(at::Tensor out, size_t group, int64_t begin,
                     std::span<const at::Tensor> parts) const {
  const std::span rows = std::span(selections_[group].row)
                             .subspan(static_cast<size_t>(begin), static_cast<size_t>(out.size(1)));
  if (parts.size() == 1) {
    const auto device =
        std::ranges::find(options_.devices, out.device()) - options_.devices.begin();
    const at::Tensor index = row_index_.defined()
                                 ? row_index_.narrow(0, first_row_of_[group] + begin, out.size(1))
                                 : upload(rows, out.device());
    kernels::gather_heads_out(out, parts[0], index, heads_[static_cast<size_t>(device)][group]);
    return;
  }
  int64_t first_row = 0;
  for (size_t p = 0; p < parts.size(); ++p) {
    const PartOfBlock own = part_of_block(rows, first_row, parts[p].size(0));
    first_row += parts[p].size(0);
    if (own.row.empty()) continue;
    at::Tensor gathered =
        at::empty({out.size(0), std::ssize(own.row), out.size(2)}, parts[p].options());
    kernels::gather_heads_out(gathered, parts[p], upload(own.row, parts[p].device()),
                              heads_[p][group]);
    out.index_copy_(1, upload(own.place, out.device()),
                    gathered.to(out.device(), /*non_blocking=*/true));
  }
}

void Sniffer::end_pass() { stage_.end_pass(rows_); }

void Sniffer::finish_passes(size_t keep) { stage_.drain(keep); }

bool Sniffer::drop_pass() { return stage_.drop_pass(); }

}  // namespace qk::sniffer
