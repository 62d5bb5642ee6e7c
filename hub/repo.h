#pragma once
/// Repositories of the Hub: names, addresses, what is in them.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hub/client.h"

namespace qk::hub {

enum class RepoType { Model, Dataset };

struct Repo {
  RepoType type = RepoType::Model;
  std::string id;  ///< "org/name", or "name" for a few old ones

  std::string name() const;          ///< "model org/name"
  std::string api() const;           ///< "/api/models/org/name"
  std::string web() const;           ///< "/org/name", "/datasets/org/name"
  std::string cache_folder() const;  ///< "models--org--name"
  Subject subject(const std::string& revision = {}, const std::string& file = {}) const;
};

/// What may be the name of a repository: "org/name" or "name" by the Hub's rules.
bool is_repo_id(std::string_view text);

/// A whole commit hash: 40 hex digits.
bool is_commit(std::string_view revision);

/// False for what must never become a path on this disk: absolute, with "..", control characters or
/// empty parts.
bool is_safe_path(std::string_view path);

/// The Hub's own file in every repository.
inline constexpr const char* kGitAttributes = ".gitattributes";

struct RepoFile {
  std::string path;
  int64_t bytes = 0;
  std::string oid;     ///< SHA-1 of git; of the pointer for a large file
  std::string sha256;  ///< of a large file; empty for the others
};

/// The commit a revision stands for. Throws HubError.
std::string resolve_revision(Client& client, const Repo& repo, const std::string& revision);

/// All files. Throws HubError, also for paths that are not safe.
std::vector<RepoFile> list_files(Client& client, const Repo& repo, const std::string& revision);

/// The address of a file's content.
std::string file_url(const Client& client, const Repo& repo, const std::string& revision,
                     const std::string& path);

}  // namespace qk::hub
