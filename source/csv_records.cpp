#include "source/csv_records.h"

#include <algorithm>

#include "base/error.h"

namespace qk::source {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

bool CsvRecords::fill() {
  if (!block_.empty()) return true;
  block_ = bytes_.block();
  if (!started_ && block_.starts_with(kByteOrderMark)) block_.remove_prefix(kByteOrderMark.size());
  started_ = true;
  return !block_.empty();
}

/// What a character that ends a cell ends; it is still the first one of the block.
CsvRecords::CellEnd CsvRecords::end_at(char c) {
  block_.remove_prefix(1);
  if (c == separator_) return CellEnd::Cell;
  if (c == '\r' && fill() && block_.front() == '\n') block_.remove_prefix(1);
  ++line_;
  return CellEnd::Record;
}

/// The part between the quotes, from behind the first one. False: the file ended before the last
/// one.
bool CsvRecords::read_quoted(std::string& cell) {
  while (fill()) {
    const size_t quote = block_.find('"');
    const std::string_view part = block_.substr(0, quote);
    cell += part;
    line_ += std::ranges::count(part, '\n');
    block_.remove_prefix(part.size());
    if (quote == std::string_view::npos) continue;
    block_.remove_prefix(1);
    if (!fill() || block_.front() != '"') return true;
    cell += '"';
    block_.remove_prefix(1);
  }
  return false;
}

CsvRecords::CellEnd CsvRecords::read_plain(std::string& cell) {
  while (fill()) {
    const size_t length = cell_ends_.find_in(block_);
    cell += block_.substr(0, length);
    block_.remove_prefix(length);
    if (!block_.empty()) return end_at(block_.front());
  }
  return CellEnd::File;
}

CsvRecords::CellEnd CsvRecords::read_cell(std::string& cell) {
  cell.clear();
  quoted_ = fill() && block_.front() == '"';
  if (quoted_) {
    block_.remove_prefix(1);
    if (!read_quoted(cell)) {
      throw DatasetError("{}, line {}: the file ends inside quotes that were opened in this row",
                         bytes_.file().name, record_line_);
    }
  }
  return read_plain(cell);  // what follows closing quotes belongs to the cell too
}

bool CsvRecords::next(std::vector<std::string>& cells) {
  while (fill()) {
    record_line_ = line_;
    size_t count = 0;
    CellEnd end;
    do {
      if (count == cells.size()) cells.emplace_back();
      end = read_cell(cells[count++]);
    } while (end == CellEnd::Cell);
    cells.resize(count);
    const bool blank =
        count == 1 && !quoted_ && cells[0].find_first_not_of(" \t") == std::string::npos;
    if (!blank) return true;
  }
  return false;
}

}  // namespace qk::source
