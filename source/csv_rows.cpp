/// CSV and TSV: a header, then rows. The text column stays text; the id column has the type that
/// pandas infers for it.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "source/csv_cells.h"
#include "source/csv_records.h"
#include "source/row_reader.h"
#include "source/utf8.h"

namespace qk::source {
namespace {

/// The rows by which `datasets` infers the column types of a file: its first chunk.
constexpr int64_t kInferenceRows = 10'000;

/// Header names as pandas makes them: empty ones are numbered, repeated ones get .1, .2, ...
std::vector<std::string> column_names(const std::vector<std::string>& header) {
  std::vector<std::string> names;
  for (size_t i = 0; i < header.size(); ++i) {
    std::string name = header[i].empty() ? fmt::format("Unnamed: {}", i) : header[i];
    const std::string base = name;
    for (int n = 1; std::ranges::find(names, name) != names.end(); ++n)
      name = fmt::format("{}.{}", base, n);
    names.push_back(std::move(name));
  }
  return names;
}

class CsvRows : public RowReader {
 public:
  CsvRows(const DataFile& file, const Columns& columns)
      : file_(file), columns_(columns), records_(file, file.kind.options.separator) {
    if (!records_.next(cells_))
      throw DatasetError("{}: empty, a CSV file needs a header", file_.name);
    for (std::string& cell : cells_) replace_invalid_utf8(cell);
    names_ = column_names(cells_);
    text_ = index_of(columns.text);
    if (columns.id) id_ = index_of(*columns.id);
  }

  bool next(Row& row) override {
    if (!read_record()) return false;
    if (id_ && !id_type_) id_type_ = infer_id_type();
    row = {};
    if (id_) {
      if (*id_ < cells_.size()) row.repaired = replace_invalid_utf8(cells_[*id_]);
      row.id = value_of_cell(cell(*id_), *id_type_);
    }
    if (!is_null_cell(cell(text_))) row.text = std::move(cells_[text_]);
    return true;
  }

  int64_t skip(int64_t rows) override {
    int64_t skipped = 0;
    while (skipped < rows && read_record()) ++skipped;
    return skipped;
  }

  double progress() const override { return records_.progress(); }
  std::string place() const override {
    return fmt::format("{}, line {}", file_.name, records_.line_number());
  }

 private:
  size_t index_of(const std::string& column) const {
    const auto found = std::ranges::find(names_, column);
    if (found == names_.end()) throw_missing_column(file_, column, names_);
    return found - names_.begin();
  }

  bool read_record() {
    if (!records_.next(cells_)) return false;
    if (cells_.size() > names_.size()) {
      throw DatasetError(
          "{}: {} cells, but the header has {}; cells that hold the separator need quotes", place(),
          cells_.size(), names_.size());
    }
    return true;
  }

  /// A short record has nulls at its end.
  std::string_view cell(size_t column) const {
    return column < cells_.size() ? std::string_view(cells_[column]) : "";
  }

  ColumnType infer_id_type() const {
    CsvRows ahead(file_, columns_);
    ColumnTypeInference inference;
    for (int64_t row = 0; row < kInferenceRows && ahead.read_record(); ++row)
      inference.add(ahead.cell(*id_));
    return inference.type();
  }

  DataFile file_;
  Columns columns_;
  CsvRecords records_;
  std::vector<std::string> names_;
  size_t text_ = 0;
  std::optional<size_t> id_;
  std::optional<ColumnType> id_type_;
  std::vector<std::string> cells_;
};

}  // namespace

std::unique_ptr<RowReader> open_csv_rows(const DataFile& file, const Columns& columns) {
  return std::make_unique<CsvRows>(file, columns);
}

}  // namespace qk::source
