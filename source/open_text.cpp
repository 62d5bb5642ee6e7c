#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "source/dataset_folder.h"
#include "source/row_reader.h"
#include "source/split_expression.h"
#include "source/text_reader.h"
#include "source/utf8.h"

namespace qk::source {
namespace {

int64_t size_of(const DataFile& file) {
  std::error_code error;
  const auto size = std::filesystem::file_size(file.path, error);
  return error ? 0 : static_cast<int64_t>(size);
}

/// A split: its files, and what is known of them.
struct Split {
  std::string name;
  std::vector<DataFile> files;
  std::optional<int64_t> rows = {};
};

/// The rows of a split's files, one file after the other.
class SplitRows {
 public:
  SplitRows(const Split& split, const Columns& columns) : files_(split.files), columns_(columns) {
    for (const DataFile& file : files_) total_bytes_ += size_of(file);
  }

  bool next(Row& row) {
    while (open()) {
      if (rows_->next(row)) return true;
      close();
    }
    return false;
  }

  int64_t skip(int64_t rows) {
    int64_t skipped = 0;
    while (open()) {
      skipped += rows_->skip(rows - skipped);
      if (skipped == rows) break;
      close();
    }
    return skipped;
  }

  /// Share of the bytes of all files.
  double progress() const {
    if (total_bytes_ == 0) return 1.0;
    const double current =
        rows_ ? rows_->progress() * static_cast<double>(size_of(files_[file_])) : 0.0;
    return (static_cast<double>(passed_bytes_) + current) / static_cast<double>(total_bytes_);
  }

  std::string place() const { return rows_->place(); }

 private:
  bool open() {
    if (!rows_ && file_ < files_.size()) rows_ = open_rows(files_[file_], columns_);
    return rows_ != nullptr;
  }

  void close() {
    rows_.reset();
    passed_bytes_ += size_of(files_[file_++]);
  }

  std::vector<DataFile> files_;
  Columns columns_;
  std::unique_ptr<RowReader> rows_;
  size_t file_ = 0;
  int64_t passed_bytes_ = 0;
  int64_t total_bytes_ = 0;
};

/// A run of rows to read.
struct Segment {
  Split split;
  RowRange range;
};

/// Says once, and counts, what is odd about the texts.
class TextCheck {
 public:
  void look(std::string& text, bool already_repaired, const std::string& place) {
    const bool repaired = replace_invalid_utf8(text) || already_repaired;
    if (repaired && flaws_.invalid_utf8_rows++ == 0) {
      log::warn("{}: invalid UTF-8, replaced by U+FFFD; further rows are counted without a message",
                place);
    }
    if (text.find('\0') != std::string::npos && flaws_.nul_rows++ == 0) {
      log::warn(
          "{}: the text has NUL bytes, which are kept; further rows are counted without a message",
          place);
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
    if (spec_.max_samples && index_ >= *spec_.max_samples) return std::nullopt;
    Row row;
    if (!next_row(row)) {
      if (index_ == 0) throw DatasetError("{}: no row in split '{}'", spec_.path, spec_.split);
      return std::nullopt;
    }
    return to_text_row(row);
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

  bool next_row(Row& row) {
    while (segment_ < segments_.size()) {
      const Segment& segment = segments_[segment_];
      if (!rows_) {
        rows_ = std::make_unique<SplitRows>(segment.split, columns_);
        position_ = rows_->skip(segment.range.from);
      }
      const bool wanted = !segment.range.to || position_ < *segment.range.to;
      if (wanted && rows_->next(row)) {
        ++position_;
        return true;
      }
      rows_.reset();
      ++segment_;
    }
    return false;
  }

  TextRow to_text_row(Row& row) {
    std::string* text = std::get_if<std::string>(&row.text);
    if (!text) {
      const NotText* other = std::get_if<NotText>(&row.text);
      throw DatasetError("{}: column '{}' is {}; the text column must be text in every row",
                         rows_->place(), spec_.text_column,
                         other ? "of type " + other->type : "null");
    }
    check_.look(*text, row.repaired, rows_->place());
    const IdValue id = spec_.id_column ? std::move(row.id) : IdValue(index_);
    return {.index = index_++,
            .example_id = example_id(id),
            .source_id = python_str(id),
            .text = std::move(*text)};
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
  return SplitRows(split, columns).skip(std::numeric_limits<int64_t>::max());
}

std::vector<Segment> plan(const DatasetSpec& spec) {
  std::vector<SplitDataFiles> splits = local_splits(spec.path, spec.name);
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

std::unique_ptr<TextReader> open_text(const DatasetSpec& spec) {
  return std::make_unique<DatasetTextReader>(spec, plan(spec));
}

}  // namespace qk::source
