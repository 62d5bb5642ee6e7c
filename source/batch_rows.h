#pragma once
/// What Parquet and Arrow files share: rows out of record batches.
#include <arrow/record_batch.h>
#include <arrow/result.h>

#include <memory>
#include <string>
#include <string_view>

#include "source/row_reader.h"

namespace qk::source {

class BatchRows : public RowReader {
 public:
  BatchRows(DataFile file, Columns columns)
      : file_(std::move(file)), columns_(std::move(columns)) {}

  bool next(Row& row) final;

  /// Without a look at the cells.
  int64_t skip(int64_t rows) override;
  std::string place() const final;

 protected:
  /// The next batch with at least the wanted columns; nullptr at the end. May throw anything Arrow
  /// or Parquet throws.
  virtual arrow::Result<std::shared_ptr<arrow::RecordBatch>> next_batch() = 0;

  /// For formats that can pass over rows without reading them: so many rows after the last one,
  /// with what is loaded of them.
  void pass_unread(int64_t rows);

  /// Checks that the columns exist and the text column can hold text. Returns the indices of the
  /// wanted ones.
  std::vector<int> wanted_fields(const arrow::Schema& schema) const;

  const DataFile& file() const { return file_; }
  int64_t rows_read() const { return row_ + 1; }

 private:
  /// Whether there is a row left, in a batch loaded for it if need be.
  bool has_row();
  bool load_batch();
  arrow::Status try_load_batch();
  [[noreturn]] void throw_damaged(std::string_view what) const;

  DataFile file_;
  Columns columns_;
  std::shared_ptr<arrow::RecordBatch> batch_;
  std::shared_ptr<arrow::Array> texts_;
  std::shared_ptr<arrow::Array> ids_;
  int64_t in_batch_ = 0;  ///< the next row of the batch
  int64_t row_ = -1;      ///< the row last read, in the file
};

}  // namespace qk::source
