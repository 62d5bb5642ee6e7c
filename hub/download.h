#pragma once
/// Files of a repository into the cache: whole, checked by hash, resumed where an earlier download
/// was cut off, once for all processes.
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "hub/cache.h"
#include "hub/client.h"
#include "hub/repo.h"

namespace qk::hub {

/// What the Hub says of a file before sending it.
struct FileHead {
  std::string etag;  ///< SHA-256 or git's SHA-1 of the content
  int64_t bytes = 0;
  std::string url;  ///< where the content comes from; valid for an hour or so
};

/// Throws HubError: gated, missing, ...
FileHead head_of(Client& client, const Repo& repo, const std::string& revision,
                 const std::string& path);

/// Bytes of several transfers together. Thread-safe when `show` is.
class TransferProgress {
 public:
  using Show = std::function<void(int64_t done, int64_t all)>;
  explicit TransferProgress(Show show = {}) : show_(std::move(show)) {}

  void expect(int64_t bytes) { all_ += bytes; }
  void add(int64_t bytes) {
    done_ += bytes;
    if (show_) show_(done_, all_);
  }

 private:
  Show show_;
  std::atomic<int64_t> done_ = 0, all_ = 0;
};

/// Fetches what the snapshot of the commit lacks, several files at a time. Throws HubError: what
/// the Hub refuses, a content that is not what was announced, no disk space; Interrupted.
void fetch_files(Client& client, const Repo& repo, const std::string& commit,
                 const std::vector<std::string>& paths, TransferProgress& progress);

struct Target {
  std::filesystem::path file;
  std::string elsewhere;  ///< for errors: how the user chooses another disk
};

/// One file into any folder that may be written; it is put in place whole. Until then
/// `file`.incomplete grows, from which a later call goes on.
void fetch_to(Client& client, const Repo& repo, const std::string& commit, const std::string& path,
              const Target& target, TransferProgress& progress);

}  // namespace qk::hub
