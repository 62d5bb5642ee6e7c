#pragma once
/// The rows of a split's files, one file after the other.
#include <memory>
#include <string>
#include <vector>

#include "source/row_reader.h"

namespace qk::source {

class SplitRows {
 public:
  SplitRows(std::vector<DataFile> files, Columns columns);

  /// Fills `row`; false behind the last row of the last file.
  bool next(Row& row);

  /// Passes over up to `rows` rows; returns how many there were.
  int64_t skip(int64_t rows);

  /// Share of the bytes of all files, 0..1.
  double progress() const;

  /// Where the row last read stands.
  std::string place() const { return rows_->place(); }

 private:
  bool open();
  void close();

  std::vector<DataFile> files_;
  Columns columns_;
  std::unique_ptr<RowReader> rows_;
  size_t file_ = 0;
  int64_t passed_bytes_ = 0;
  int64_t total_bytes_ = 0;
};

}  // namespace qk::source
