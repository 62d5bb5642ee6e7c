#pragma once
/// lXXhYY{q,k}/data.parquet: the rows of one head.
#include <parquet/properties.h>
#include <parquet/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "saver/hashed_file.h"
#include "saver/rows.h"
#include "saver/vector_column.h"

namespace arrow {
class KeyValueMetadata;
class Schema;
}  // namespace arrow
namespace parquet {
class FileMetaDataBuilder;
class RowGroupMetaDataBuilder;
class SchemaDescriptor;
}  // namespace parquet

namespace qk::saver {

/// Rows in each row group but the last: a power of two, at most `bytes` of float32 vectors. Depends
/// on nothing else, so that files are the same whatever the memory budget.
int64_t rows_per_group(int64_t head_dim, int64_t bytes);

/// The columns as Arrow has them.
std::shared_ptr<arrow::Schema> row_schema(int64_t head_dim, bool token_strings);

/// What all files of a capture share. Immutable, for all threads.
class RowFormat {
 public:
  RowFormat(const CaptureLayout& layout, int compression_level);

  bool token_strings;
  std::shared_ptr<parquet::SchemaDescriptor> schema;
  std::shared_ptr<parquet::WriterProperties> properties;
  std::shared_ptr<const arrow::KeyValueMetadata> metadata;
  VectorColumn vectors;
};

/// The rows of one row group. Spans of equal length; vectors: [rows][head_dim] of the captured
/// type.
struct RowGroup {
  std::span<const int32_t> bucket, example_id, position;
  std::span<const std::byte> vectors;
  std::optional<int32_t> sliding_window;
  std::span<const parquet::ByteArray> token_str;  ///< with token strings
};

class RowFile {
 public:
  RowFile(const RowFormat& format, const std::filesystem::path& file);
  ~RowFile();  ///< not closed: no file

  void write(const RowGroup& group);

  /// Until the next write() or close() the file holds neither a descriptor nor buffers.
  void set_aside() { file_->set_aside(); }

  uint64_t bytes() const;  ///< so far

  /// Completes the file. `name` of the result is left empty.
  FileFacts close();

 private:
  const RowFormat& format_;
  std::shared_ptr<HashedFile> file_;
  std::unique_ptr<parquet::FileMetaDataBuilder> metadata_;
  int64_t rows_ = 0;
  int16_t groups_ = 0;
};

}  // namespace qk::saver
