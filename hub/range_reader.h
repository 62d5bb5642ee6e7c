#pragma once
/// Parts of a file of a repository, without fetching the whole.
#include <cstdint>
#include <optional>
#include <string>

#include "hub/download.h"

namespace qk::hub {

class RangeReader {
 public:
  /// client: must outlive the reader.
  RangeReader(Client& client, Repo repo, std::string commit, std::string path)
      : client_(client),
        repo_(std::move(repo)),
        commit_(std::move(commit)),
        path_(std::move(path)) {}

  /// Throws HubError.
  int64_t bytes();
  std::string read_at(int64_t offset, int64_t count);

 private:
  const FileHead& head();

  Client& client_;
  Repo repo_;
  std::string commit_, path_;
  std::optional<FileHead> head_;
};

}  // namespace qk::hub
