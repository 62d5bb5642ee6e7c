#pragma once
/// Files: whole reads, atomic writes, mapping, hashing. Errors carry path, errno text and what to do.
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace qk {

/// Throws std::system_error with the path in its message; callers convert it to their own error kind.
std::string read_file(const std::filesystem::path& file);

/// Writes to a temporary name beside `file`, syncs, renames, syncs the folder. All or nothing.
void write_file_atomically(const std::filesystem::path& file, std::string_view content);

/// A read-only mapping of a whole file. Empty files give an empty span.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& file);
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

/// Lower-case hex. Streams the file; memory does not grow with it.
std::string sha256_of_file(const std::filesystem::path& file);
std::string sha256(std::string_view bytes);

}  // namespace qk
