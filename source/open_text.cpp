#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "source/dataset_folder.h"
#include "source/row_reader.h"
#include "source/split_expression.h"
#include "source/split_rows.h"
#include "source/text_reader.h"
#include "source/utf8.h"

namespace qk::source {
namespace {

constexpr int64_t kAllRows = std::numeric_limits<int64_t>::max();

/// A split: its files, and what is known of them.
struct Split {
  std::string name;
  std::vector<DataFile> files;
  std::optional<int64_t> rows = {};
};

/// A run of rows to read.
struct Segment {
  Split split;
  RowRange range;
};

/// What a cell is that holds no text: "null", "of type int64".
std::string kind_of(const TextCell& cell) {
  const NotText* other = std::get_if<NotText>(&cell);
  return other ? "of type " + other->type : "null";
}

/// Says once, and counts, what is odd about the texts.
class TextCheck {
 public:
  void look(std::string& text, bool already_repaired, const SplitRows& rows) {
    const bool repaired = replace_invalid_utf8(text) || already_repaired;
    if (repaired && flaws_.invalid_utf8_rows++ == 0) {
      log::warn("{}: invalid UTF-8, replaced by U+FFFD; further rows are counted without a message",
                rows.place());
    }
    if (text.find('\0') != std::string::npos && flaws_.nul_rows++ == 0) {
      log::warn(
          "{}: the text has NUL bytes, which are kept; further rows are counted without a message",
          rows.place());
    }
  }
  void no_text(const DatasetSpec& spec, const TextCell& cell, const SplitRows& rows) {
    if (flaws_.unusable_rows++ == 0) {
      log::warn("{}: column '{}' is {}: skipped; further rows are counted without a message",
                rows.place(), spec.text_column, kind_of(cell));
    }
  }

  const TextFlaws& flaws() const { return flaws_; }

 private:
  TextFlaws flaws_;
};

class DatasetTextReader : public TextReader {
 public:
  DatasetTextReader(const DatasetSpec& spec, std::vector<Segment> segments)
      : spec_(spec), columns_{spec.text_column, spec.id_column}, segments_(std::move(segments)) {
    count_rows();
  }

  std::optional<TextRow> next() override {
    Row row;
    return next_row(row) ? std::optional(to_text_row(row)) : std::nullopt;
  }

  std::optional<std::string> next_text() override {
    Row row;
    if (!next_row(row)) return std::nullopt;
    ++index_;
    std::string* text = std::get_if<std::string>(&row.text);
    if (text == nullptr) return "";
    replace_invalid_utf8(*text);
    return std::move(*text);
  }

  void rewind() override {
    rows_.reset();
    segment_ = 0;
    index_ = 0;
  }

  int64_t skip(int64_t rows) override {
    if (spec_.max_samples) rows = std::min(rows, *spec_.max_samples - index_);
    int64_t skipped = 0;
    while (skipped < rows && current()) {
      const std::optional<int64_t>& end = segments_[segment_].range.to;
      const int64_t wanted = std::min(rows - skipped, end.value_or(kAllRows) - position_);
      const int64_t passed = rows_->skip(wanted);
      position_ += passed;
      skipped += passed;
      if (passed < wanted) end_segment();
    }
    index_ += skipped;
    return skipped;
  }

  std::optional<int64_t> row_count() const override { return exact_rows_; }

  double progress() const override {
    if (segment_ == segments_.size()) return 1.0;
    const double segment = rows_ ? rows_->progress() : 0.0;
    const double by_bytes =
        (static_cast<double>(segment_) + segment) / static_cast<double>(segments_.size());
    if (!most_rows_ || *most_rows_ == 0) return by_bytes;
    const double by_rows = static_cast<double>(index_) / static_cast<double>(*most_rows_);
    return std::min(1.0, exact_rows_ ? by_rows : std::max(by_bytes, by_rows));
  }

  TextFlaws flaws() const override { return check_.flaws(); }

 private:
  /// Rows that will come: exactly, or at most.
  void count_rows() {
    exact_rows_ = most_rows_ = 0;
    for (const Segment& segment : segments_) {
      if (!segment.split.rows) exact_rows_.reset();
      if (!segment.range.to) most_rows_.reset();
      const int64_t rows =
          segment.range.to ? std::max<int64_t>(*segment.range.to - segment.range.from, 0) : 0;
      if (exact_rows_) *exact_rows_ += rows;
      if (most_rows_) *most_rows_ += rows;
    }
    if (exact_rows_ && *exact_rows_ == 0)
      throw DatasetError("{}: no row in split '{}'", spec_.path, spec_.split);
    if (!spec_.max_samples) return;
    if (exact_rows_) exact_rows_ = std::min(*exact_rows_, *spec_.max_samples);
    most_rows_ = std::min(most_rows_.value_or(*spec_.max_samples), *spec_.max_samples);
  }

  /// The rows of the current segment, of which at least one is to be read unless the files end;
  /// nullptr after the last.
  SplitRows* current() {
    while (segment_ < segments_.size()) {
      const auto& [split, range] = segments_[segment_];
      if (!rows_) {
        rows_ = std::make_unique<SplitRows>(split.files, columns_);
        position_ = rows_->skip(range.from);
      }
      if (!range.to || position_ < *range.to) return rows_.get();
      end_segment();
    }
    return nullptr;
  }

  void end_segment() {
    rows_.reset();
    ++segment_;
  }

  /// False behind the last row. Throws where a row without text is an error.
  bool next_row(Row& row) {
    if (spec_.max_samples && index_ >= *spec_.max_samples) return false;
    while (SplitRows* rows = current()) {
      if (rows->next(row)) {
        ++position_;
        require_text(row);
        return true;
      }
      end_segment();
    }
    if (index_ == 0) throw DatasetError("{}: no row in split '{}'", spec_.path, spec_.split);
    return false;
  }

  void require_text(const Row& row) const {
    if (spec_.skip_bad_text || std::holds_alternative<std::string>(row.text)) return;
    throw DatasetError(
        "{}: column '{}' is {}; the text column must be text in every row (dataset.on_bad_text: "
        "skip passes over such rows)",
        rows_->place(), spec_.text_column, kind_of(row.text));
  }

  TextRow to_text_row(Row& row) {
    std::string* text = std::get_if<std::string>(&row.text);
    if (text) {
      check_.look(*text, row.repaired, *rows_);
    } else {
      check_.no_text(spec_, row.text, *rows_);
    }
    const IdValue id = spec_.id_column ? std::move(row.id) : IdValue(index_);
    return {.index = index_++,
            .example_id = example_id(id),
            .source_id = python_str(id),
            .text = text ? std::move(*text) : "",
            .unusable = text == nullptr};
  }

  DatasetSpec spec_;
  Columns columns_;
  std::vector<Segment> segments_;
  std::optional<int64_t> exact_rows_;
  std::optional<int64_t> most_rows_;
  size_t segment_ = 0;
  std::unique_ptr<SplitRows> rows_;
  int64_t position_ = 0;  ///< the next row of the split
  int64_t index_ = 0;     ///< of the next row of the dataset
  TextCheck check_;
};

/// Opens every file once, so that a missing column in the last one is found before any work.
void check_files(Split& split, const Columns& columns) {
  split.rows = 0;
  for (const DataFile& file : split.files) {
    const std::optional<int64_t> rows = open_rows(file, columns)->row_count();
    split.rows = split.rows && rows ? std::optional(*split.rows + *rows) : std::nullopt;
  }
}

int64_t read_through(const Split& split, const Columns& columns) {
  log::info("counting the rows of split '{}'", split.name);
  return SplitRows(split.files, columns).skip(kAllRows);
}

std::vector<Segment> plan(const DatasetSpec& spec, const std::vector<SplitDataFiles>& splits) {
  std::vector<SplitTerm> terms = parse_split_expression(spec.split);
  if (spec.split == "all") {
    terms.clear();
    for (const SplitDataFiles& split : splits) terms.push_back({.split = split.split});
  }
  const Columns columns{spec.text_column, spec.id_column};
  std::vector<Segment> segments;
  for (const SplitTerm& term : terms) {
    const auto found = std::ranges::find(splits, term.split, &SplitDataFiles::split);
    if (found == splits.end()) {
      std::vector<std::string_view> known;
      for (const SplitDataFiles& split : splits) known.push_back(split.split);
      throw DatasetError("dataset.split: {} has no split '{}'; there are: {}", spec.path,
                         term.split, fmt::join(known, ", "));
    }
    Split split{.name = term.split, .files = found->files};
    check_files(split, columns);
    if (!split.rows && term.needs_row_count()) split.rows = read_through(split, columns);
    const RowRange range = row_range(term, split.rows);
    segments.push_back({std::move(split), range});
  }
  return segments;
}

}  // namespace

std::unique_ptr<TextReader> open_text(const DatasetSpec& spec,
                                      const std::vector<SplitDataFiles>& splits) {
  return std::make_unique<DatasetTextReader>(spec, plan(spec, splits));
}

std::unique_ptr<TextReader> open_text(const DatasetSpec& spec) {
  return open_text(spec, local_splits(spec.path, spec.name));
}

}  // namespace qk::source
