#include "source/byte_reader.h"

#include <arrow/buffer.h>
#include <arrow/io/compressed.h>
#include <arrow/io/file.h>
#include <arrow/util/compression.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <system_error>

#include "source/remote_file.h"

namespace qk::source {
namespace {

constexpr int64_t kBlockBytes = 1 << 20;

struct Magic {
  std::string_view bytes;
  Compression compression;
};
/// None of these is the start of valid UTF-8, of Parquet or of Arrow (bzip2's "BZh" could be).
constexpr Magic kMagics[] = {{"\x1F\x8B", Compression::Gzip},
                             {"\x28\xB5\x2F\xFD", Compression::Zstd},
                             {"\x04\x22\x4D\x18", Compression::Lz4}};

arrow::Compression::type arrow_codec(Compression compression) {
  switch (compression) {
    case Compression::Gzip:
      return arrow::Compression::GZIP;
    case Compression::Zstd:
      return arrow::Compression::ZSTD;
    case Compression::Bzip2:
      return arrow::Compression::BZ2;
    case Compression::Lz4:
      return arrow::Compression::LZ4_FRAME;
    case Compression::None:
      break;
  }
  return arrow::Compression::UNCOMPRESSED;
}

std::shared_ptr<arrow::io::RandomAccessFile> open_raw(const DataFile& file) {
  if (file.remote) return open_remote(file.remote);
  return check(arrow::io::ReadableFile::Open(file.path.string()), file);
}

/// Unpacks into a file that has no name: it is gone when it is closed.
std::shared_ptr<arrow::io::RandomAccessFile> unpack(const DataFile& file) {
  std::string name = (std::filesystem::temp_directory_path() / "sniff-qk-XXXXXX").string();
  const int fd = mkstemp(name.data());
  if (fd < 0) {
    throw DatasetError("{}: can't create a temporary file to unpack it: {}", name,
                       std::generic_category().message(errno));
  }
  const std::unique_ptr<FILE, int (*)(FILE*)> owner(fdopen(fd, "r"), &std::fclose);
  unlink(name.c_str());
  const auto out = check(arrow::io::FileOutputStream::Open(dup(fd)), file);
  ByteReader bytes(file);
  for (std::string_view block = bytes.block(); !block.empty(); block = bytes.block()) {
    check(out->Write(block.data(), static_cast<int64_t>(block.size())), file);
  }
  check(out->Close(), file);
  return check(arrow::io::ReadableFile::Open(dup(fd)), file);
}

}  // namespace

Compression compression_of(const DataFile& file) {
  const Compression named = compression_of(file.path.filename().string());
  if (named != Compression::None) return named;
  const auto start = check(open_raw(file)->Read(4), file);
  const std::string_view bytes(*start);
  for (const Magic& magic : kMagics) {
    if (bytes.starts_with(magic.bytes)) return magic.compression;
  }
  return Compression::None;
}

std::shared_ptr<arrow::io::RandomAccessFile> open_random_access(const DataFile& file) {
  if (compression_of(file) != Compression::None) return unpack(file);
  return open_raw(file);
}

ByteReader::ByteReader(const DataFile& file) : file_(file), raw_(open_raw(file)), stream_(raw_) {
  size_bytes_ = check(raw_->GetSize(), file_);
  const Compression compression = compression_of(file_);
  if (compression == Compression::None) return;
  const std::shared_ptr<arrow::util::Codec> codec =
      check(arrow::util::Codec::Create(arrow_codec(compression)), file_);
  stream_ = check(arrow::io::CompressedInputStream::Make(codec.get(), raw_), file_);
}

std::string_view ByteReader::block() {
  buffer_ = check(stream_->Read(kBlockBytes), file_);
  return std::string_view(*buffer_);
}

double ByteReader::progress() const {
  const auto position = raw_->Tell();
  return size_bytes_ == 0 || !position.ok()
             ? 1.0
             : static_cast<double>(*position) / static_cast<double>(size_bytes_);
}

}  // namespace qk::source
