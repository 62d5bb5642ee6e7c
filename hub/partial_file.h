#pragma once
/// A download under way: the part of a file that has arrived, and its hash.
#include <filesystem>
#include <string>
#include <string_view>

#include "hub/content_hash.h"
#include "hub/download.h"

namespace qk::hub {

class PartialFile {
 public:
  /// What an earlier download left in `file` is kept. elsewhere: for errors, how the user chooses
  /// another disk. All calls throw HubError.
  PartialFile(std::filesystem::path file, const FileHead& head, std::string elsewhere);
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;
  ~PartialFile();

  int64_t bytes() const { return bytes_; }
  bool whole() const { return bytes_ == head_.bytes; }

  /// Throws when what is missing won't fit.
  void check_space() const;
  void append(std::string_view content);
  void restart();
  /// Ends the hash: call it once after the last append.
  bool is_right() { return hash_.matches(); }
  void sync();

 private:
  struct Open {};
  PartialFile(std::filesystem::path file, const FileHead& head, std::string elsewhere, Open);

  void read_earlier();
  [[noreturn]] void fail(const char* action) const;

  std::filesystem::path file_;
  const FileHead& head_;
  std::string elsewhere_;
  int fd_ = -1;
  int64_t bytes_ = 0;
  ContentHash hash_;
};

}  // namespace qk::hub
