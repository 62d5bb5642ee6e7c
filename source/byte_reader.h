#pragma once
/// The bytes of a data file, decompressed on the way. Arrow's streams and codecs do the work.
#include <arrow/io/interfaces.h>
#include <arrow/result.h>
#include <arrow/status.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "source/row_reader.h"

namespace qk::source {

/// Arrow's errors as DatasetError, with the file's name.
inline void check(const arrow::Status& status, const DataFile& file) {
  if (!status.ok()) throw DatasetError("{}: {}", file.name, status.message());
}
template <typename T>
T check(arrow::Result<T> result, const DataFile& file) {
  check(result.status(), file);
  return std::move(result).ValueUnsafe();
}

/// The codec of a file: told by its extension, or by its first bytes where no text and no table
/// could begin with them.
Compression compression_of(const DataFile& file);

/// The file as it lies on the disk, for random access. A compressed one is first unpacked into an
/// unnamed temporary file.
std::shared_ptr<arrow::io::RandomAccessFile> open_random_access(const DataFile& file);

/// A file read from its start to its end.
class ByteReader {
 public:
  explicit ByteReader(const DataFile& file);

  /// The next bytes, valid until the next call; empty at the end. Throws DatasetError: damaged or
  /// truncated compression.
  std::string_view block();

  /// Share of the (compressed) file read.
  double progress() const;

  const DataFile& file() const { return file_; }
  const std::shared_ptr<arrow::io::InputStream>& stream() const { return stream_; }

 private:
  DataFile file_;
  std::shared_ptr<arrow::io::RandomAccessFile> raw_;
  std::shared_ptr<arrow::io::InputStream> stream_;
  std::shared_ptr<arrow::Buffer> buffer_;
  int64_t size_bytes_ = 0;
};

}  // namespace qk::source
