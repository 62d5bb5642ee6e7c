#pragma once
/// Files: whole reads, atomic writes, mapping, hashing.
/// Every function here throws std::system_error whose message holds what was tried, the path and
/// the errno text; callers convert it to their own error kind and say what to do.
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace qk {

std::string read_file(const std::filesystem::path& file);

/// Writes to a temporary name beside `file`, syncs, renames, syncs the folder. All or nothing: on
/// failure the temporary name is gone and an older `file` is as it was. The folder must exist.
void write_file_atomically(const std::filesystem::path& file, std::string_view content);

/// A read-only private mapping of a whole regular file. Empty files give an empty span.
/// The file must not be shortened while it is mapped: reading past its new end raises SIGBUS.
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
