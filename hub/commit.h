#pragma once
/// Branches and commits of a dataset repository.
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "hub/client.h"
#include "hub/local_files.h"
#include "hub/repo.h"
#include "hub/upload.h"

namespace qk::hub {

/// One line of a commit.
struct Change {
  enum class Kind { Content, LargeFile, Deletion };
  Kind kind = Kind::Content;
  std::string path;
  std::string content;  ///< Content: all of it
  std::string sha256;   ///< LargeFile: uploaded before
  int64_t bytes = 0;
};

/// The commit was larger than the server takes at once.
struct CommitTooLarge : TryAgain {
  using TryAgain::TryAgain;
};

/// Branch -> commit.
std::map<std::string, std::string> list_branches(Client& client, const Repo& repo);

/// Creates the repository unless it is there. Throws HubError.
void ensure_repo(Client& client, const Repo& repo, bool is_private);

/// Creates a branch at a commit, or with `overwrite` makes an existing one stand there.
void set_branch(Client& client, const Repo& repo, const std::string& branch,
                const std::string& commit, bool overwrite);
void delete_branch(Client& client, const Repo& repo, const std::string& branch);

/// Which of the files the Hub wants as large files.
std::map<std::string, bool> ask_upload_modes(Client& client, const Repo& repo,
                                             const std::string& branch,
                                             const std::vector<const LocalFile*>& files);

/// One commit on top of `parent`; returns its hash. Throws TryAgain: the branch has moved on,
/// another commit is in progress, no answer; CommitTooLarge; HubError.
std::string commit_changes(Client& client, const Repo& repo, const std::string& branch,
                           const std::string& parent, const std::string& title,
                           const std::vector<Change>& changes);

}  // namespace qk::hub
