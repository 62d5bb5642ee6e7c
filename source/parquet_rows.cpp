/// Parquet: only the wanted columns, row group by row group, a few rows at a time.
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>

#include <algorithm>

#include "base/error.h"
#include "source/batch_rows.h"
#include "source/byte_reader.h"

namespace qk::source {
namespace {

constexpr int64_t kReadBufferBytes = 1 << 20;
constexpr int64_t kBatchBytes = 4 << 20;
constexpr int64_t kMaxBatchRows = 256;

parquet::ArrowReaderProperties arrow_properties() {
  parquet::ArrowReaderProperties properties(/*use_threads=*/false);
  properties.set_pre_buffer(false);
  return properties;
}

parquet::ReaderProperties reader_properties() {
  parquet::ReaderProperties properties;
  properties.enable_buffered_stream();  // column chunks are read page by page
  properties.set_buffer_size(kReadBufferBytes);
  return properties;
}

class ParquetRows : public BatchRows {
 public:
  ParquetRows(const DataFile& data_file, const Columns& columns) : BatchRows(data_file, columns) {
    try {
      auto parquet_file =
          parquet::ParquetFileReader::Open(open_random_access(data_file), reader_properties());
      metadata_ = parquet_file->metadata();
      reader_ = check(parquet::arrow::FileReader::Make(arrow::default_memory_pool(),
                                                       std::move(parquet_file), arrow_properties()),
                      data_file);
      choose_leaves();
    } catch (const parquet::ParquetException& error) {
      throw DatasetError("{}: not readable as Parquet, maybe an incomplete download: {}",
                         data_file.name, error.what());
    }
  }

  std::optional<int64_t> row_count() const override { return metadata_->num_rows(); }

  double progress() const override {
    return metadata_->num_rows() == 0
               ? 1.0
               : static_cast<double>(rows_read()) / static_cast<double>(metadata_->num_rows());
  }

  /// What is skipped up to the end of a row group is not read.
  int64_t skip(int64_t rows) override {
    int64_t skipped = 0;
    while (group_ < metadata_->num_row_groups()) {
      const int64_t rest = group_begin_ + group_rows() - rows_read();
      if (skipped + rest > rows) break;
      pass_unread(rest);
      end_group();
      skipped += rest;
    }
    return skipped + BatchRows::skip(rows - skipped);
  }

 protected:
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> next_batch() override {
    while (group_ < metadata_->num_row_groups()) {
      if (!batches_) ARROW_RETURN_NOT_OK(open_group());
      ARROW_ASSIGN_OR_RAISE(auto batch, batches_->Next());
      if (batch) return batch;
      end_group();
    }
    return nullptr;
  }

 private:
  /// A column of the schema may be several leaves of Parquet (structs).
  void choose_leaves() {
    std::shared_ptr<arrow::Schema> schema;
    check(reader_->GetSchema(&schema), file());
    const std::vector<int> fields = wanted_fields(*schema);
    const parquet::SchemaDescriptor& columns = *metadata_->schema();
    for (int leaf = 0; leaf < columns.num_columns(); ++leaf) {
      const auto is_root = [&](int field) {
        return schema->field(field)->name() == columns.GetColumnRoot(leaf)->name();
      };
      if (std::ranges::any_of(fields, is_root)) leaves_.push_back(leaf);
    }
  }

  arrow::Status open_group() {
    const auto group = metadata_->RowGroup(group_);
    int64_t bytes = 0;
    for (const int leaf : leaves_) bytes += group->ColumnChunk(leaf)->total_uncompressed_size();
    const int64_t row_bytes = std::max<int64_t>(bytes / std::max<int64_t>(group->num_rows(), 1), 1);
    reader_->set_batch_size(std::clamp<int64_t>(kBatchBytes / row_bytes, 1, kMaxBatchRows));
    return reader_->GetRecordBatchReader({group_}, leaves_).Value(&batches_);
  }

  int64_t group_rows() const { return metadata_->RowGroup(group_)->num_rows(); }

  void end_group() {
    batches_.reset();
    group_begin_ += group_rows();
    ++group_;
  }

  std::shared_ptr<parquet::FileMetaData> metadata_;
  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::vector<int> leaves_;
  std::unique_ptr<arrow::RecordBatchReader> batches_;
  int group_ = 0;
  int64_t group_begin_ = 0;  ///< its first row
};

}  // namespace

std::unique_ptr<RowReader> open_parquet_rows(const DataFile& file, const Columns& columns) {
  return std::make_unique<ParquetRows>(file, columns);
}

}  // namespace qk::source
