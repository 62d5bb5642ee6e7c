#include "saver/file_io.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "base/fault_point.h"
#include "base/numbers.h"

namespace qk::saver {
namespace fs = std::filesystem;
namespace {

/// A file system that is full lacks bytes, or room for more files.
std::string make_room(const fs::path& folder) {
  struct statvfs status {};
  if (::statvfs(folder.c_str(), &status) != 0) return "Free some space there";
  if (status.f_files > 0 && status.f_favail == 0)
    return "There can be no more files (inodes): remove some";
  const uint64_t left = static_cast<uint64_t>(status.f_bavail) * status.f_frsize;
  return fmt::format("Free some space there ({} left)", readable_bytes(left));
}

std::string advice(int error, const fs::path& file) {
  const char* again = "then run the same command: it continues where it stopped";
  switch (error) {
    case ENOSPC:
      return fmt::format("{}, {}", make_room(file.parent_path()), again);
    case EDQUOT:
      return fmt::format("The quota is used up: make room or raise it, {}", again);
    case EFBIG:
      return fmt::format("Files may not grow that large here (ulimit -f): raise the limit, {}",
                         again);
    case EROFS:
      return fmt::format("Make it writable or choose another output.data_root, {}", again);
    case EACCES:
    case EPERM:
      return "Change its permissions, or choose another output.data_root";
    case EMFILE:
    case ENFILE:
      return fmt::format("Allow more open files (ulimit -n), {}", again);
    case ENOENT:
      return fmt::format("Was it moved, removed or unmounted? Bring it back, {}", again);
    case EIO:
    case ENODEV:
    case ENXIO:
    case ESTALE:
    case ENOTCONN:
      return fmt::format("Check the disk or mount, {}", again);
    default:
      return fmt::format("Repair that, {}", again);
  }
}

/// Drops `done` bytes from the front of parts[first..]; returns the first part that has bytes left.
size_t skip_bytes(std::vector<iovec>& parts, size_t first, size_t done) {
  while (first < parts.size() && done >= parts[first].iov_len) done -= parts[first++].iov_len;
  if (first < parts.size() && done > 0) {
    parts[first].iov_base = static_cast<char*>(parts[first].iov_base) + done;
    parts[first].iov_len -= done;
  }
  return first;
}

int window(const std::vector<iovec>& parts, size_t first) {
  return static_cast<int>(std::min<size_t>(parts.size() - first, IOV_MAX));
}

}  // namespace

Fd::~Fd() {
  if (fd_ >= 0) ::close(fd_);
}

OutputError io_error(std::string_view action, const fs::path& file, int error) {
  return OutputError("{}: cannot {}: {}. {}.", file.string(), action,
                     std::generic_category().message(error), advice(error, file));
}

OutputError io_error(const std::system_error& error) {
  return OutputError("{}. {}.", error.what(), advice(error.code().value(), {}));
}

Fd open_fd(const fs::path& file, int flags) {
  int fd;
  do {
    fd = ::open(file.c_str(), flags | O_CLOEXEC, 0666);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) throw io_error("open", file, errno);
  return Fd(fd);
}

uint64_t size_of(const Fd& fd, const fs::path& file) {
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) throw io_error("read the size", file, errno);
  return static_cast<uint64_t>(status.st_size);
}

void write_fully(const Fd& fd, std::vector<iovec> parts, const fs::path& file) {
  size_t first = skip_bytes(parts, 0, 0);
  while (first < parts.size()) {
    const ssize_t count = fault::writev(fd.get(), parts.data() + first, window(parts, first));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw io_error("write", file, errno);
    first = skip_bytes(parts, first, static_cast<size_t>(count));
  }
}

void read_fully(const Fd& fd, std::vector<iovec> parts, uint64_t offset, const fs::path& file) {
  size_t first = skip_bytes(parts, 0, 0);
  while (first < parts.size()) {
    const ssize_t count =
        ::preadv(fd.get(), parts.data() + first, window(parts, first), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw io_error("read", file, errno);
    if (count == 0) {
      throw OutputError(
          "{}: ends at byte {}, sooner than it should. Run the same command again: "
          "what is missing is computed again.",
          file.string(), offset);
    }
    offset += static_cast<uint64_t>(count);
    first = skip_bytes(parts, first, static_cast<size_t>(count));
  }
}

void sync_data(const Fd& fd, const fs::path& file) {
  if (::fdatasync(fd.get()) != 0 && errno != EINVAL) throw io_error("sync", file, errno);
}

void begin_sync(const Fd& fd) { ::sync_file_range(fd.get(), 0, 0, SYNC_FILE_RANGE_WRITE); }

void sync_folder(const fs::path& folder) {
  const Fd fd = open_fd(folder, O_RDONLY | O_DIRECTORY);
  if (::fsync(fd.get()) != 0 && errno != EINVAL) throw io_error("sync", folder, errno);
}

uint64_t free_bytes(const fs::path& folder) {
  struct statvfs status {};
  if (::statvfs(folder.c_str(), &status) != 0)
    throw io_error("ask for the free space", folder, errno);
  return fault::room(static_cast<uint64_t>(status.f_bavail) * status.f_frsize);
}

}  // namespace qk::saver
