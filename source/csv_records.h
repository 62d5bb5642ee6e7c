#pragma once
/// CSV as records of cells, tokenized as pandas' C parser does with its defaults: double quotes, ""
/// for a quote inside, any newline, blank lines skipped. Cells of any length.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "source/byte_reader.h"
#include "source/char_set.h"

namespace qk::source {

class CsvRecords {
 public:
  CsvRecords(const DataFile& file, char separator) : bytes_(file), separator_(separator) {
    cell_ends_.add(separator);
  }

  /// The next record that is not a blank line; false at the end. Reuses the cells' memory.
  /// Throws DatasetError: the file ends inside quotes.
  bool next(std::vector<std::string>& cells);

  /// The line on which the record last read begins, from 1.
  int64_t line_number() const { return record_line_; }

  double progress() const { return bytes_.progress(); }

 private:
  enum class CellEnd { Cell, Record, File };

  bool fill();
  CellEnd read_cell(std::string& cell);
  bool read_quoted(std::string& cell);
  CellEnd read_plain(std::string& cell);
  CellEnd end_at(char c);

  ByteReader bytes_;
  char separator_;
  CharSet cell_ends_{"\r\n"};
  std::string_view block_;
  bool started_ = false;
  bool quoted_ = false;  ///< the cell last read began with a quote
  int64_t line_ = 1;
  int64_t record_line_ = 0;
};

}  // namespace qk::source
