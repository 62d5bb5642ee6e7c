#pragma once
/// Which rows the sampler gives for the documents that examples.parquet lists.
#include <arrow/table.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "saver/rows.h"
#include "sniffer/sampling.h"
#include "verify/parquet_input.h"

namespace qk::verify {

/// A line of examples.parquet.
struct Example {
  int64_t index = 0, full_id = 0, tokens = 0, rows = 0;
  int32_t example_id = 0;
  bool truncated = false;
};

/// Reads examples.parquet line by line. Throws OutputError.
class ExampleReader {
 public:
  explicit ExampleReader(const std::filesystem::path& data_root);
  std::optional<Example> next();

 private:
  ParquetInput input_;
  std::shared_ptr<arrow::Table> table_;
  int next_group_ = 0;
  int64_t row_ = 0, rows_ = 0;  // of table_
};

/// The rows of every head of one group, in the order of the files.
class ExpectedRows {
 public:
  struct Row {
    int32_t bucket = 0, example_id = 0, position = 0;
    bool operator==(const Row&) const = default;
  };

  /// sampler, group: must outlive this.
  ExpectedRows(const std::filesystem::path& data_root, const sniffer::PositionSampler& sampler,
               const saver::LayerHeads& group);

  std::optional<Row> next();

  /// Rows of the documents before the one with this number; numbers may only rise, and not be mixed
  /// with next().
  int64_t rows_before(int64_t document);

 private:
  bool next_document();

  ExampleReader examples_;
  const sniffer::PositionSampler& sampler_;
  const saver::LayerHeads& group_;
  std::vector<int32_t> positions_;  // of the current document
  size_t at_ = 0;
  int32_t example_id_ = 0;
  int64_t documents_ = 0, rows_ = 0;  // passed
};

}  // namespace qk::verify
