#include "verify/recompute.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <mutex>
#include <optional>
#include <set>

#include "base/error.h"
#include "models/decoder.h"
#include "saver/final_task.h"
#include "saver/row_file.h"
#include "sniffer/pipeline_model.h"
#include "sniffer/pipeline_setup.h"
#include "verify/expected_rows.h"
#include "verify/parallel.h"
#include "verify/parquet_input.h"

namespace qk::verify {
namespace {

constexpr int64_t kHeldBytes = 256 << 20;  // vectors computed, not yet compared

/// Rows of one group that a document gave just now: [rows, all heads of the layer, head_dim],
/// float32 on the CPU.
struct Computed {
  int64_t document = 0;  ///< its line in examples.parquet
  at::Tensor vectors;
};

/// Keeps the rows that the sampler gives for the only document of a pass. Written apart from the
/// one that captures: this one checks it.
class Keep final : public models::AttentionTap {
 public:
  Keep(const Capture& capture, std::vector<std::vector<Computed>>& computed, bool on_gpu)
      : capture_(capture), computed_(computed), on_gpu_(on_gpu) {}

  void begin(int64_t document, int64_t full_id, int64_t tokens) {
    document_ = document, full_id_ = full_id, tokens_ = tokens;
    last_rows_ = on_gpu_ ? rows_kept_of_last_layer() : std::nullopt;
  }

  /// The decoder is told the same as by a capture, which makes it compute the same.
  std::optional<std::vector<int32_t>> rows_of_last_layer() override { return last_rows_; }

  void take(int64_t layer, models::Kind kind, std::span<const at::Tensor> parts) override {
    const at::Tensor& vectors = parts.front();  // one device
    const auto& groups = capture_.run.layout.groups;
    const auto group = std::ranges::find_if(groups, [&](const saver::LayerHeads& g) {
      return g.layer == layer && g.kind == static_cast<char>(kind);
    });
    QK_ASSERT(group != groups.end());
    std::vector<int32_t> kept_rows = positions(*group);
    if (last_rows_ && is_last(layer)) {
      for (int32_t& row : kept_rows)
        row =
            static_cast<int32_t>(std::ranges::lower_bound(*last_rows_, row) - last_rows_->begin());
    }
    const at::Tensor rows = at::tensor(kept_rows, at::kLong).to(vectors.device());
    at::Tensor kept = vectors.index_select(0, rows).to(at::kCPU, at::kFloat).contiguous();
    held_bytes += kept.numel() * kept.element_size();
    computed_[static_cast<size_t>(group - groups.begin())].push_back({document_, std::move(kept)});
  }

  int64_t held_bytes = 0;

 private:
  /// nullopt: all.
  std::optional<std::vector<int32_t>> rows_kept_of_last_layer() const {
    std::set<int32_t> rows;
    for (const saver::LayerHeads& group : capture_.run.layout.groups)
      if (is_last(group.layer))
        for (const int32_t position : positions(group)) rows.insert(position);
    if (std::ssize(rows) == tokens_) return std::nullopt;
    return std::vector(rows.begin(), rows.end());
  }
  bool is_last(int64_t layer) const { return layer == capture_.run.layout.groups.back().layer; }
  std::vector<int32_t> positions(const saver::LayerHeads& group) const {
    return capture_.sampler.select(full_id_, group.layer, group.kind, group.heads.front(), tokens_);
  }

  const Capture& capture_;
  std::vector<std::vector<Computed>>& computed_;
  const bool on_gpu_;
  int64_t document_ = 0, full_id_ = 0, tokens_ = 0;
  std::optional<std::vector<int32_t>> last_rows_;  // of the document
};

/// Vectors of one file by row number; numbers may only rise.
class VectorReader {
 public:
  VectorReader(const std::filesystem::path& file, const saver::CaptureLayout& layout)
      : input_(file, *saver::row_schema(layout.head_dim, layout.token_strings)),
        head_dim_(layout.head_dim) {}

  const float* at(int64_t row) {
    while (row >= end_) {
      begin_ = end_;
      end_ += input_.rows_in(group_++);
      table_.reset();
    }
    if (!table_) table_ = input_.read(group_ - 1, {"vector"});
    const auto& list =
        static_cast<const arrow::FixedSizeListArray&>(*table_->GetColumnByName("vector")->chunk(0));
    return static_cast<const arrow::FloatArray&>(*list.values()).raw_values() +
           list.value_offset(0) + (row - begin_) * head_dim_;
  }

 private:
  ParquetInput input_;
  int64_t head_dim_;
  int group_ = 0;
  int64_t begin_ = 0, end_ = 0;  // rows of table_
  std::shared_ptr<arrow::Table> table_;
};

class Recompute {
 public:
  Recompute(const Capture& capture, const Options& options, std::vector<Finding>& problems)
      : capture_(capture),
        layout_(capture.run.layout),
        options_(options),
        problems_(problems),
        inputs_(sniffer::open_inputs(capture.config)),
        computed_(layout_.groups.size()),
        tap_(capture, computed_, !sniffer::choose_device(capture.config.model).is_cpu()) {}

  Recomputed run() {
    if (!same_inputs()) return result_;
    models::Decoder decoder = sniffer::load_decoder(
        capture_.config, inputs_, {sniffer::choose_device(capture_.config.model)});
    const auto stride = std::max<int64_t>(1, std::llround(1 / options_.recompute));
    ExampleReader examples(capture_.root);
    for (int64_t line = 0; const std::optional<Example> example = examples.next(); ++line) {
      if (line % stride == 0 && !again(line, *example, decoder)) return result_;
    }
    compare_held();
    return result_;
  }

 private:
  bool same_inputs() {
    saver::RunFacts facts;
    facts.identity =
        sniffer::run_identity(capture_.config, inputs_.model_folder, inputs_.tokenizer_folder);
    const saver::Identity now = saver::full_identity(facts, inputs_.plan.layout);
    saver::Identity was = capture_.run.identity;
    // What only a run knows, such as the commit of a dataset on the Hub, shows in the documents.
    std::erase_if(was, [&](const auto& item) { return !now.contains(item.first); });
    if (now == was) return true;
    problems_.push_back({"recompute", "run.json",
                         "model, tokenizer, dataset or device aren't those of the capture:" +
                             saver::differences(was, now)});
    return false;
  }

  /// False: the dataset has another document there.
  bool again(int64_t line, const Example& example, models::Decoder& decoder) {
    inputs_.reader->skip(line - next_line_);
    const std::optional<source::TextRow> row = inputs_.reader->next();
    next_line_ = line + 1;
    tokenizer::Encoding encoding;
    if (row && !row->unusable)
      encoding = inputs_.tokenizer.encode(row->text, capture_.config.tokenizer.max_length);
    if (!row || row->example_id != example.full_id ||
        static_cast<int64_t>(encoding.ids.size()) != example.tokens) {
      problems_.push_back({"recompute", "examples.parquet",
                           fmt::format("line {}: the dataset has another document there", line)});
      return false;
    }
    ++result_.documents;
    options_.on_progress(fmt::format("recomputed {} documents", result_.documents));
    if (encoding.ids.empty()) return true;
    tap_.begin(line, row->example_id, example.tokens);
    decoder.prefill({.ids = encoding.ids, .offsets = {0, example.tokens}}, tap_);
    if (tap_.held_bytes >= kHeldBytes) compare_held();
    return true;
  }

  void compare_held() {
    for_each_index(options_.threads, computed_.size(), [&](size_t group) { compare(group); });
    for (auto& group : computed_) group.clear();
    tap_.held_bytes = 0;
  }

  void compare(size_t group) {
    const saver::LayerHeads& heads = layout_.groups[group];
    if (computed_[group].empty()) return;
    std::vector<int64_t> first_rows;  // in the files
    ExpectedRows expected(capture_.root, capture_.sampler, heads);
    for (const Computed& part : computed_[group])
      first_rows.push_back(expected.rows_before(part.document));
    for (size_t head = 0; head < heads.heads.size(); ++head) {
      const std::string name = saver::config_name(heads, head) + "/data.parquet";
      VectorReader reader(capture_.root / name, layout_);
      Recomputed found;
      for (size_t i = 0; i < first_rows.size(); ++i)
        compare(computed_[group][i].vectors.select(1, heads.heads[head]), first_rows[i], reader,
                found);
      add(found, name);
    }
  }

  /// now: [rows, head_dim].
  static void compare(const at::Tensor& now, int64_t first_row, VectorReader& reader,
                      Recomputed& found) {
    for (int64_t row = 0; row < now.size(0); ++row) {
      const float* captured = reader.at(first_row + row);
      const float* computed = now.data_ptr<float>() + row * now.stride(0);
      ++found.rows;
      if (std::memcmp(computed, captured, static_cast<size_t>(now.size(1)) * sizeof(float)) == 0)
        continue;
      ++found.different_rows;
      for (int64_t i = 0; i < now.size(1); ++i) {
        const double difference = std::fabs(static_cast<double>(computed[i]) - captured[i]);
        found.worst_difference = std::isnan(difference)
                                     ? std::numeric_limits<double>::infinity()
                                     : std::max(found.worst_difference, difference);
      }
    }
  }

  void add(const Recomputed& found, const std::string& file) {
    const std::scoped_lock lock(mutex_);
    result_.rows += found.rows;
    result_.different_rows += found.different_rows;
    result_.worst_difference = std::max(result_.worst_difference, found.worst_difference);
    if (found.different_rows == 0) return;
    problems_.push_back(
        {"recompute", file,
         fmt::format("{} of {} vectors differ from those computed now, by {:g} at most",
                     found.different_rows, found.rows, found.worst_difference)});
  }

  const Capture& capture_;
  const saver::CaptureLayout& layout_;
  const Options& options_;
  std::vector<Finding>& problems_;
  sniffer::Inputs inputs_;
  int64_t next_line_ = 0;                        // of the dataset
  std::vector<std::vector<Computed>> computed_;  // per group
  Keep tap_;
  std::mutex mutex_;  // result_ and problems_ while files are compared
  Recomputed result_;
};

}  // namespace

Recomputed recompute(const Capture& capture, const Options& options,
                     std::vector<Finding>& problems) {
  return Recompute(capture, options, problems).run();
}

}  // namespace qk::verify
