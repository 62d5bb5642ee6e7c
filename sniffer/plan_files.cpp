#include "sniffer/plan_files.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "base/error.h"
#include "saver/dataset_writer.h"
#include "saver/row_file.h"
#include "sniffer/pipeline_model.h"
#include "sniffer/sampling.h"

namespace qk::sniffer {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostRows = 8192, kLeastRows = 64;
/// Dimensions of real vectors differ in scale by about this factor (standard deviation of its
/// logarithm).
constexpr double kSpreadOfScales = 0.4;

/// A folder of temporary files.
class Scratch {
 public:
  Scratch() {
    std::string name = (fs::temp_directory_path() / "sniff-qk-plan-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr)
      throw OutputError("{}: no temporary folder can be made there; set TMPDIR", name);
    folder_ = name;
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  fs::path file() const { return folder_ / "data.parquet"; }

 private:
  fs::path folder_;
};

/// The columns of the first rows that the run will keep.
struct MadeUpRows {
  std::vector<int32_t> bucket, example_id, position, token_id;
  int64_t size() const { return static_cast<int64_t>(position.size()); }
};

MadeUpRows first_rows(const CaptureConfig& capture, const saver::LayerHeads& group,
                      const DocumentCount& documents, int64_t wanted) {
  const PositionSampler sampler(capture.sampler, capture.min_bucket_size,
                                capture.max_rows_per_batch);
  MadeUpRows rows;
  for (size_t i = 0; i < documents.ids.size() && rows.size() < wanted; ++i) {
    const std::vector<int32_t>& ids = documents.ids[i];
    const int64_t example_id = documents.documents[i].example_id;
    if (ids.empty()) continue;
    for (const int32_t position :
         sampler.select(example_id, group.layer, group.kind, group.heads.front(),
                        static_cast<int64_t>(ids.size()))) {
      if (rows.size() == wanted) break;
      rows.bucket.push_back(sampler.bucket(position));
      rows.example_id.push_back(static_cast<int32_t>(example_id));
      rows.position.push_back(position);
      rows.token_id.push_back(ids[static_cast<size_t>(position)]);
    }
  }
  return rows;
}

/// [count, head_dim] float32
at::Tensor made_up_vectors(int64_t count, int64_t head_dim) {
  const at::Generator generator = at::detail::createCPUGenerator(/*seed_val=*/0);
  const at::Tensor scales = at::randn({head_dim}, generator, at::kFloat).mul(kSpreadOfScales).exp();
  return at::randn({count, head_dim}, generator, at::kFloat).mul(scales);
}

/// Turned by the rotary embedding, as far as sizes are concerned: whatever the pairs of dimensions
/// are, they turn.
at::Tensor rotated(const at::Tensor& x, const std::vector<int32_t>& positions,
                   const models::Rope& rope) {
  const at::Tensor frequencies = models::rope_frequencies(rope, positions.back() + 1);
  const int64_t half = frequencies.size(0);
  const at::Tensor angles = at::outer(at::tensor(positions, at::kFloat), frequencies);
  const at::Tensor a = x.slice(1, 0, half), b = x.slice(1, half, 2 * half);
  return at::cat({a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin(),
                  x.slice(1, 2 * half)},
                 1);
}

/// One vector for each token, turned with its position if the run captures after the rotary
/// embedding.
at::Tensor vectors_of_tokens(const MadeUpRows& rows, const models::DecoderSpec& spec,
                             bool before_rotary) {
  std::vector<int32_t> distinct = rows.token_id;
  std::ranges::sort(distinct);
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  std::vector<int64_t> index;
  for (const int32_t id : rows.token_id)
    index.push_back(std::ranges::lower_bound(distinct, id) - distinct.begin());
  const at::Tensor table = made_up_vectors(static_cast<int64_t>(distinct.size()), spec.head_dim);
  const at::Tensor vectors = table.index_select(0, at::tensor(index, at::kLong));
  const std::optional<size_t> rope = spec.layers.front().rope;
  return before_rotary || !rope ? vectors : rotated(vectors, rows.position, spec.ropes[*rope]);
}

/// Writes rows as the run does.
class TrialWriter {
 public:
  TrialWriter(const SniffConfig& config, const saver::CaptureLayout& layout, const MadeUpRows& rows,
              const tokenizer::Tokenizer& tokenizer)
      : layout_(layout),
        rows_(rows),
        format_(layout, static_cast<int>(config.output.compression_level)) {
    if (!layout.token_strings) return;
    for (const int32_t id : rows.token_id) pieces_.push_back(tokenizer.token(id));
    for (const std::string& piece : pieces_) piece_views_.emplace_back(piece);
  }

  FileSize measure(const at::Tensor& vectors) const {
    const int64_t all = rows_.size(), few = all / 2;
    const double small = bytes(vectors, few), large = bytes(vectors, all);
    FileSize size;
    size.per_row = (large - small) / static_cast<double>(all - few);
    size.fixed = std::max(0.0, large - size.per_row * static_cast<double>(all));
    return size;
  }

 private:
  double bytes(const at::Tensor& vectors, int64_t count) const {
    const Scratch scratch;
    saver::RowFile file(format_, scratch.file());
    const int64_t row_bytes = vectors.size(1) * vectors.element_size();
    const int64_t group_rows =
        saver::rows_per_group(layout_.head_dim, saver::WriterOptions{}.row_group_bytes);
    const auto* data = static_cast<const std::byte*>(vectors.const_data_ptr());
    for (int64_t begin = 0; begin < count; begin += group_rows) {
      const auto length = static_cast<size_t>(std::min(group_rows, count - begin));
      const auto part = [&](const auto& column) {
        return std::span(column).subspan(static_cast<size_t>(begin), length);
      };
      saver::RowGroup group{
          .bucket = part(rows_.bucket),
          .example_id = part(rows_.example_id),
          .position = part(rows_.position),
          .vectors = {data + begin * row_bytes, length * static_cast<size_t>(row_bytes)},
          .sliding_window = layout_.groups.front().sliding_window,
          .token_str = {}};
      if (layout_.token_strings) group.token_str = part(piece_views_);
      file.write(group);
    }
    return static_cast<double>(file.close().bytes);
  }

  const saver::CaptureLayout& layout_;
  const MadeUpRows& rows_;
  const saver::RowFormat format_;
  std::vector<std::string> pieces_;
  std::vector<parquet::ByteArray> piece_views_;
};

}  // namespace

FileSizes measure_file_sizes(const SniffConfig& config, const models::DecoderSpec& spec,
                             const saver::CaptureLayout& layout, const DocumentCount& documents,
                             double rows, const tokenizer::Tokenizer& tokenizer) {
  const auto wanted = std::clamp(static_cast<int64_t>(rows), kLeastRows, kMostRows);
  const MadeUpRows made_up = first_rows(config.capture, layout.groups.front(), documents, wanted);
  if (made_up.size() < 2) return {};
  const TrialWriter writer(config, layout, made_up, tokenizer);
  const auto measure = [&](const at::Tensor& vectors) {
    return writer.measure(vectors.to(scalar_type(config.model.dtype)).contiguous());
  };
  return {.first_layer = measure(vectors_of_tokens(made_up, spec, config.capture.capture_pre_rope)),
          .others = measure(made_up_vectors(made_up.size(), layout.head_dim))};
}

double spool_bytes(const saver::CaptureLayout& layout, const std::vector<double>& rows_of_group) {
  const double columns = layout.token_strings ? 16 : 12;
  const auto vector = static_cast<double>(layout.head_dim * saver::bytes_of(layout.vector_type));
  double bytes = 0;
  for (size_t i = 0; i < layout.groups.size(); ++i)
    bytes +=
        rows_of_group[i] * (columns + vector * static_cast<double>(layout.groups[i].heads.size()));
  return bytes;
}

}  // namespace qk::sniffer
