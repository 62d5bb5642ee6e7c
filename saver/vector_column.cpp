#include "saver/vector_column.h"

#include <arrow/buffer.h>
#include <parquet/column_page.h>
#include <parquet/statistics.h>

#include <algorithm>
#include <cstring>

#include "saver/arrow_check.h"
#include "saver/byte_stream_split.h"

namespace qk::saver {
namespace {

constexpr int64_t kPageBytes = 1 << 20;

/// Appends levels of 0 and 1, run-length encoded, behind their length.
void append_levels(std::vector<std::byte>& out, const std::vector<int16_t>& levels) {
  const auto count = static_cast<int>(levels.size());
  const int most = parquet::LevelEncoder::MaxBufferSize(parquet::Encoding::RLE, 1, count);
  const size_t begin = out.size();
  out.resize(begin + sizeof(int32_t) + static_cast<size_t>(most));
  parquet::LevelEncoder encoder;
  encoder.Init(parquet::Encoding::RLE, 1, count,
               reinterpret_cast<uint8_t*>(out.data() + begin + sizeof(int32_t)), most);
  QK_ASSERT(encoder.Encode(count, levels.data()) == count);
  const int32_t bytes = encoder.len();
  std::memcpy(out.data() + begin, &bytes, sizeof(bytes));
  out.resize(begin + sizeof(bytes) + static_cast<size_t>(bytes));
}

}  // namespace

VectorColumn::VectorColumn(int64_t head_dim, VectorType type)
    : head_dim_(head_dim),
      type_(type),
      rows_per_page_(
          std::max<int64_t>(kPageBytes / (head_dim * static_cast<int64_t>(sizeof(float))), 1)),
      full_page_levels_(levels_of(rows_per_page_)) {}

std::vector<std::byte> VectorColumn::levels_of(int64_t rows) const {
  std::vector<int16_t> levels(static_cast<size_t>(rows * head_dim_), 1);
  std::vector<int16_t> starts = levels;  // repetition level 0 begins a vector
  for (int64_t row = 0; row < rows; ++row) starts[static_cast<size_t>(row * head_dim_)] = 0;
  std::vector<std::byte> encoded;
  append_levels(encoded, starts);
  append_levels(encoded, levels);
  return encoded;
}

int64_t VectorColumn::write(std::span<const std::byte> vectors, parquet::PageWriter& pages,
                            parquet::ColumnChunkMetaDataBuilder& metadata) const {
  const size_t page = static_cast<size_t>(rows_per_page_ * head_dim_ * bytes_of(type_));
  int64_t written = 0;
  for (size_t at = 0; at < vectors.size(); at += page) {
    written += write_page(vectors.subspan(at, std::min(page, vectors.size() - at)), pages);
  }
  parquet::EncodedStatistics statistics;
  statistics.has_null_count = true;
  metadata.SetStatistics(statistics);
  pages.Close(/*has_dictionary=*/false, /*fallback=*/false);
  return written;
}

int64_t VectorColumn::write_page(std::span<const std::byte> vectors,
                                 parquet::PageWriter& pages) const {
  const auto values = static_cast<int64_t>(vectors.size()) / bytes_of(type_);
  const int64_t rows = values / head_dim_;
  const std::vector<std::byte> partial =
      rows == rows_per_page_ ? std::vector<std::byte>() : levels_of(rows);
  const std::vector<std::byte>& levels = partial.empty() ? full_page_levels_ : partial;

  const int64_t bytes = static_cast<int64_t>(levels.size()) + 4 * values;
  const std::shared_ptr<arrow::Buffer> raw = check_arrow(arrow::AllocateBuffer(bytes));
  const auto out =
      std::as_writable_bytes(std::span(raw->mutable_data(), static_cast<size_t>(bytes)));
  std::copy(levels.begin(), levels.end(), out.begin());
  split_bytes(vectors, type_, out.subspan(levels.size()));

  const std::shared_ptr<arrow::ResizableBuffer> compressed =
      check_arrow(arrow::AllocateResizableBuffer(0));
  pages.Compress(*raw, compressed.get());
  return pages.WriteDataPage(parquet::DataPageV1(
      compressed, static_cast<int32_t>(values), parquet::Encoding::BYTE_STREAM_SPLIT,
      parquet::Encoding::RLE, parquet::Encoding::RLE, bytes));
}

}  // namespace qk::saver
