/// Arrow IPC, as file or as stream, batch by batch. Uncompressed files are mapped, so a batch of
/// any size costs no memory.
#include <arrow/buffer.h>
#include <arrow/io/file.h>
#include <arrow/ipc/reader.h>

#include <functional>

#include "base/error.h"
#include "source/batch_rows.h"
#include "source/byte_reader.h"
#include "source/remote_file.h"

namespace qk::source {
namespace {

constexpr std::string_view kFileMagic = "ARROW1";
constexpr int64_t kFilePreambleBytes =
    8;  ///< magic and padding, before the stream that an IPC file contains

/// A file with its footer: batches are found by it.
class ArrowFileRows : public BatchRows {
 public:
  ArrowFileRows(const DataFile& data_file, const Columns& columns,
                const std::shared_ptr<arrow::io::RandomAccessFile>& input)
      : BatchRows(data_file, columns) {
    auto options = arrow::ipc::IpcReadOptions::Defaults();
    options.use_threads = false;
    reader_ = check(arrow::ipc::RecordBatchFileReader::Open(input, options), data_file);
    options.included_fields = wanted_fields(*reader_->schema());
    reader_ = check(arrow::ipc::RecordBatchFileReader::Open(input, options), data_file);
    rows_ = check(reader_->CountRows(), data_file);
  }

  std::optional<int64_t> row_count() const override { return rows_; }
  double progress() const override {
    return rows_ == 0 ? 1.0 : static_cast<double>(rows_read()) / static_cast<double>(rows_);
  }

 protected:
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> next_batch() override {
    if (batch_ == reader_->num_record_batches()) return nullptr;
    return reader_->ReadRecordBatch(batch_++);
  }

 private:
  std::shared_ptr<arrow::ipc::RecordBatchFileReader> reader_;
  int64_t rows_ = 0;
  int batch_ = 0;
};

class ArrowStreamRows : public BatchRows {
 public:
  /// `position` tells how much of the input is consumed, 0..1.
  ArrowStreamRows(const DataFile& data_file, const Columns& columns,
                  std::shared_ptr<arrow::io::InputStream> input, std::function<double()> position)
      : BatchRows(data_file, columns), position_(std::move(position)) {
    auto options = arrow::ipc::IpcReadOptions::Defaults();
    options.use_threads = false;
    reader_ =
        check(arrow::ipc::RecordBatchStreamReader::Open(std::move(input), options), data_file);
    wanted_fields(*reader_->schema());
  }

  double progress() const override { return position_(); }

 protected:
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> next_batch() override {
    return reader_->Next();
  }

 private:
  std::function<double()> position_;
  std::shared_ptr<arrow::RecordBatchReader> reader_;
};

std::unique_ptr<RowReader> open_compressed(const DataFile& file, const Columns& columns) {
  bool is_file = false;
  {
    ByteReader start(file);
    is_file = start.block().starts_with(kFileMagic);
  }
  const auto bytes = std::make_shared<ByteReader>(file);
  if (is_file) check(bytes->stream()->Read(kFilePreambleBytes), file);
  return std::make_unique<ArrowStreamRows>(file, columns, bytes->stream(),
                                           [bytes] { return bytes->progress(); });
}

std::shared_ptr<arrow::io::RandomAccessFile> open_unread(const DataFile& file) {
  if (file.remote) return open_remote(file.remote);
  return check(arrow::io::MemoryMappedFile::Open(file.path.string(), arrow::io::FileMode::READ),
               file);
}

std::unique_ptr<RowReader> open_uncompressed(const DataFile& file, const Columns& columns) {
  const auto input = open_unread(file);
  const int64_t size = check(input->GetSize(), file);
  if (size == 0) throw DatasetError("{}: empty, not an Arrow file", file.name);
  const auto start = check(input->ReadAt(0, kFilePreambleBytes), file);
  if (std::string_view(*start).starts_with(kFileMagic))
    return std::make_unique<ArrowFileRows>(file, columns, input);
  const auto position = [input, size] {
    const auto at = input->Tell();
    return at.ok() ? static_cast<double>(*at) / static_cast<double>(size) : 1.0;
  };
  return std::make_unique<ArrowStreamRows>(file, columns, input, position);
}

}  // namespace

std::unique_ptr<RowReader> open_arrow_rows(const DataFile& file, const Columns& columns) {
  return compression_of(file) == Compression::None ? open_uncompressed(file, columns)
                                                   : open_compressed(file, columns);
}

}  // namespace qk::source
