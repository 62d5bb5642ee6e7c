#pragma once
/// File descriptors, whole reads and writes, syncs. Every failure is an OutputError that says what
/// to do.
#include <sys/uio.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/error.h"

namespace qk::saver {

/// Owns a file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd();
  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// "<file>: cannot <action>: <reason>. <what to do>", by errno.
OutputError io_error(std::string_view action, const std::filesystem::path& file, int error);
/// The same for an error that says itself where it is.
OutputError io_error(const std::system_error& error);

/// Errors of the standard library become OutputErrors.
template <typename Code>
auto with_files(Code&& code) {
  try {
    return code();
  } catch (const std::filesystem::filesystem_error& error) {
    throw io_error("use it", error.path1(), error.code().value());
  } catch (const std::system_error& error) {
    throw io_error(error);
  }
}

Fd open_fd(const std::filesystem::path& file, int flags);
uint64_t size_of(const Fd& fd, const std::filesystem::path& file);

/// Writes all parts one after another at the descriptor's position, continuing after short writes.
void write_fully(const Fd& fd, std::vector<iovec> parts, const std::filesystem::path& file);

/// Fills all parts from consecutive bytes at `offset`. Throws when the file ends before.
void read_fully(const Fd& fd, std::vector<iovec> parts, uint64_t offset,
                const std::filesystem::path& file);

/// fdatasync; throws.
void sync_data(const Fd& fd, const std::filesystem::path& file);

/// The system begins to bring the file to the disk; nobody waits for it, and errors come out of a
/// later sync.
void begin_sync(const Fd& fd);

/// fsync of a folder: makes names in it durable.
void sync_folder(const std::filesystem::path& folder);

/// Bytes that may still be written where `folder` is.
uint64_t free_bytes(const std::filesystem::path& folder);

}  // namespace qk::saver
