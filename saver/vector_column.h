#pragma once
/// The column `vector` of the final files. libparquet's own column writer spends more time on the
/// repetition levels of short fixed-size lists than zstd on their values; here the levels of a
/// page, always the same, are encoded once.
#include <parquet/column_writer.h>
#include <parquet/metadata.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "saver/rows.h"

namespace qk::saver {

/// Immutable, for all threads.
class VectorColumn {
 public:
  VectorColumn(int64_t head_dim, VectorType type);

  /// Writes one column chunk and completes its metadata. vectors: [rows][head_dim] of the captured
  /// type. Returns the uncompressed bytes. Throws Parquet's exceptions.
  int64_t write(std::span<const std::byte> vectors, parquet::PageWriter& pages,
                parquet::ColumnChunkMetaDataBuilder& metadata) const;

 private:
  /// Repetition and definition levels of a page with this many vectors.
  std::vector<std::byte> levels_of(int64_t rows) const;
  int64_t write_page(std::span<const std::byte> vectors, parquet::PageWriter& pages) const;

  int64_t head_dim_;
  VectorType type_;
  int64_t rows_per_page_;
  std::vector<std::byte> full_page_levels_;
};

}  // namespace qk::saver
