#pragma once
/// A new file as Arrow writes it: under a temporary name until it is complete, its SHA-256 computed
/// on the way.
#include <arrow/io/interfaces.h>
#include <arrow/result.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "saver/file_facts.h"
#include "saver/file_io.h"

namespace qk::saver {

class HashedFile final : public arrow::io::OutputStream {
 public:
  /// Creates <file>.tmp.
  explicit HashedFile(std::filesystem::path file);
  ~HashedFile() override;  ///< not published: removes the temporary file

  arrow::Status Write(const void* data, int64_t bytes) override;
  using Writable::Write;
  arrow::Result<int64_t> Tell() const override { return static_cast<int64_t>(bytes_); }
  arrow::Status Close() override;
  bool closed() const override { return closed_; }

  /// Until the next Write(): the descriptor and the memory are given up, and the system begins to
  /// bring to the disk what was written. Throws OutputError.
  void set_aside();

  /// After Close(): gives the file its name. Returns bytes and SHA-256; name and rows are the
  /// caller's.
  FileFacts publish();

 private:
  struct Hash;
  void flush();

  std::filesystem::path file_, temporary_;
  Fd fd_;  ///< not open: set aside, or closed
  bool closed_ = false;
  std::vector<char> buffer_;  ///< small writes, gathered
  uint64_t bytes_ = 0;
  std::unique_ptr<Hash> hash_;
};

/// folder/name with this content. Throws OutputError.
FileFacts write_hashed(const std::filesystem::path& folder, const std::string& name,
                       const std::string& text);

}  // namespace qk::saver
