#include "saver/hashed_file.h"

#include <fcntl.h>
#include <fmt/ranges.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <array>

#include "base/fault_point.h"
#include "saver/arrow_check.h"

namespace qk::saver {
namespace fs = std::filesystem;
namespace {

constexpr size_t kBufferBytes = 64 << 10;

fs::path with_suffix(fs::path file, const char* suffix) {
  file += suffix;
  return file;
}

}  // namespace

struct HashedFile::Hash {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(),
                                                                  &EVP_MD_CTX_free};

  Hash() { QK_ASSERT(context && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1); }
  void add(const void* data, size_t bytes) {
    QK_ASSERT(EVP_DigestUpdate(context.get(), data, bytes) == 1);
  }
  std::string hex() {
    std::array<unsigned char, 32> digest;
    QK_ASSERT(EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) == 1);
    return fmt::format("{:02x}", fmt::join(digest, ""));
  }
};

HashedFile::HashedFile(fs::path file)
    : file_(std::move(file)),
      temporary_(with_suffix(file_, ".tmp")),
      fd_(open_fd(temporary_, O_WRONLY | O_CREAT | O_TRUNC)),
      hash_(std::make_unique<Hash>()) {}

HashedFile::~HashedFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

arrow::Status HashedFile::Write(const void* data, int64_t bytes) {
  const auto size = static_cast<size_t>(bytes);
  hash_->add(data, size);
  bytes_ += size;
  try {
    if (!fd_.is_open()) fd_ = open_fd(temporary_, O_WRONLY | O_APPEND);
    buffer_.reserve(kBufferBytes);
    if (buffer_.size() + size > kBufferBytes) flush();
    if (size > kBufferBytes) {
      write_fully(fd_, {{const_cast<void*>(data), size}}, file_);
    } else {
      const auto* begin = static_cast<const char*>(data);
      buffer_.insert(buffer_.end(), begin, begin + size);
    }
  } catch (const OutputError& error) {
    return arrow::Status::IOError(error.what());
  }
  return arrow::Status::OK();
}

void HashedFile::flush() {
  write_fully(fd_, {{buffer_.data(), buffer_.size()}}, file_);
  buffer_.clear();
}

void HashedFile::set_aside() {
  flush();
  begin_sync(fd_);
  fd_ = Fd();
  buffer_ = std::vector<char>();
}

arrow::Status HashedFile::Close() {
  if (closed_) return arrow::Status::OK();
  try {
    flush();
    fd_ = Fd();
    closed_ = true;
  } catch (const OutputError& error) {
    return arrow::Status::IOError(error.what());
  }
  return arrow::Status::OK();
}

FileFacts HashedFile::publish() {
  QK_ASSERT(closed());
  fault::point("file.complete");
  if (::rename(temporary_.c_str(), file_.c_str()) != 0) throw io_error("rename to", file_, errno);
  temporary_.clear();
  fault::point("file.named");
  return {.name = {}, .rows = 0, .bytes = bytes_, .sha256 = hash_->hex()};
}

FileFacts write_hashed(const std::filesystem::path& folder, const std::string& name,
                       const std::string& text) {
  HashedFile file(folder / name);
  check_arrow(file.Write(text));
  check_arrow(file.Close());
  FileFacts facts = file.publish();
  facts.name = name;
  return facts;
}

}  // namespace qk::saver
