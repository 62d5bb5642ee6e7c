#pragma once
/// The cache that Python's huggingface_hub uses, byte for byte: blobs by hash, snapshots of links
/// to them, refs, locks.
#include <filesystem>
#include <optional>
#include <string>

#include "hub/repo.h"

namespace qk::hub {

/// Holds a lock file until it is destroyed, against other processes, Python's among them.
class FileLock {
 public:
  /// Waits for it. Throws Interrupted, HubError.
  FileLock(const std::filesystem::path& file, const Settings& settings);
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock();

 private:
  explicit FileLock(const std::filesystem::path& file);  ///< opened, not locked

  int fd_ = -1;
};

class Cache {
 public:
  Cache(std::filesystem::path root, Repo repo);

  /// The commit that a revision stood for when it was last asked for.
  std::optional<std::string> commit_of(const std::string& revision) const;
  void remember(const std::string& revision, const std::string& commit) const;

  std::filesystem::path snapshot(const std::string& commit) const;
  bool has(const std::string& commit, const std::string& path) const;

  std::filesystem::path blob(const std::string& etag) const;
  std::filesystem::path lock_file(const std::string& etag) const;

  /// Makes the snapshot's file a link to the blob.
  void link(const std::string& commit, const std::string& path, const std::string& etag) const;

 private:
  std::filesystem::path root_, folder_;
  Repo repo_;
};

}  // namespace qk::hub
