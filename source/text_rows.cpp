/// Text files: one row a line, column `text`, universal newlines.
#include <fmt/format.h>

#include "source/line_reader.h"
#include "source/row_reader.h"

namespace qk::source {
namespace {

class TextRows : public RowReader {
 public:
  explicit TextRows(const DataFile& file) : file_(file), lines_(file, Newlines::Universal) {}

  bool next(Row& row) override {
    std::string line;
    if (!lines_.next(line)) return false;
    row = {.text = std::move(line), .id = {}};
    return true;
  }

  double progress() const override { return lines_.progress(); }
  std::string place() const override {
    return fmt::format("{}, line {}", file_.name, lines_.line_number());
  }

 private:
  DataFile file_;
  LineReader lines_;
};

}  // namespace

std::unique_ptr<RowReader> open_text_rows(const DataFile& file, const Columns& columns) {
  if (columns.text != "text") throw_missing_column(file, columns.text, {"text"});
  if (columns.id) throw_missing_column(file, *columns.id, {"text"});
  return std::make_unique<TextRows>(file);
}

}  // namespace qk::source
