#include "hub/partial_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/error.h"
#include "base/fault_point.h"
#include "base/numbers.h"
#include "hub/url.h"

namespace qk::hub {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBlockBytes = size_t{1} << 20;

}  // namespace

PartialFile::PartialFile(fs::path file, const FileHead& head, std::string elsewhere)
    : PartialFile(std::move(file), head, std::move(elsewhere), Open{}) {
  read_earlier();
}

PartialFile::PartialFile(fs::path file, const FileHead& head, std::string elsewhere, Open)
    : file_(std::move(file)),
      head_(head),
      elsewhere_(std::move(elsewhere)),
      hash_(head.etag, head.bytes) {
  fd_ = ::open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (fd_ < 0) fail("open");
}

PartialFile::~PartialFile() { ::close(fd_); }

void PartialFile::read_earlier() {
  std::string block(kBlockBytes, '\0');
  for (ssize_t count; (count = ::read(fd_, block.data(), block.size())) > 0;) {
    hash_.add({block.data(), static_cast<size_t>(count)});
    bytes_ += count;
  }
  if (bytes_ > head_.bytes) restart();
}

void PartialFile::check_space() const {
  std::error_code error;
  const fs::space_info space = fs::space(file_.parent_path(), error);
  const int64_t missing = head_.bytes - bytes_;
  if (error || static_cast<int64_t>(space.available) >= missing) return;
  throw HubError("{}: {} are needed and {} are free; make room, or {}",
                 file_.parent_path().string(), readable_bytes(missing),
                 readable_bytes(space.available), elsewhere_);
}

void PartialFile::append(std::string_view content) {
  if (bytes_ + static_cast<int64_t>(content.size()) > head_.bytes)
    throw HubError("{}: more bytes arrive than the {} that were announced", printable(head_.url),
                   head_.bytes);
  while (!content.empty()) {
    const iovec rest{.iov_base = const_cast<char*>(content.data()), .iov_len = content.size()};
    const ssize_t count = fault::writev(fd_, &rest, 1);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("write");
    hash_.add(content.substr(0, static_cast<size_t>(count)));
    bytes_ += count;
    content.remove_prefix(static_cast<size_t>(count));
  }
}

void PartialFile::restart() {
  if (::ftruncate(fd_, 0) != 0 || ::lseek(fd_, 0, SEEK_SET) != 0) fail("empty");
  bytes_ = 0;
  hash_ = ContentHash(head_.etag, head_.bytes);
}

void PartialFile::sync() {
  if (::fsync(fd_) != 0 && errno != EINVAL) fail("sync");
}

void PartialFile::fail(const char* action) const {
  const int error = errno;
  if (error == ENOSPC || error == EDQUOT) {
    throw HubError(
        "no disk space left for {}; make room and give the same command again, it goes on from "
        "there; or {}",
        file_.string(), elsewhere_);
  }
  throw HubError("cannot {} {}: {}; repair that, or {}", action, file_.string(),
                 std::generic_category().message(error), elsewhere_);
}

}  // namespace qk::hub
