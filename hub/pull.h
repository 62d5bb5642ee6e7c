#pragma once
/// A branch of a dataset repository, back into a folder.
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "hub/client.h"
#include "hub/download.h"
#include "hub/repo.h"

namespace qk::hub {

/// A branch as it stands at one commit.
struct BranchContent {
  Repo repo;
  std::string commit;
  std::map<std::string, RepoFile> files;  ///< by path; without .gitattributes

  /// nullptr: no such file.
  const RepoFile* find(const std::string& path) const;
};

/// Throws HubError.
BranchContent list_branch(Client& client, const std::string& repo_id, const std::string& branch);

/// True when the file is there and has the listed content: by size, then by hash. Throws HubError
/// when it can't be read.
bool holds(const std::filesystem::path& file, const RepoFile& listed);

/// Fetches files of the branch to their paths below `folder`, several at a time. What is there
/// and right stays; what was cut off goes on. elsewhere: for errors, how the user chooses another
/// disk. Throws HubError, Interrupted.
void fetch_branch_files(Client& client, const BranchContent& branch,
                        const std::vector<std::string>& paths, const Target& folder,
                        TransferProgress& progress);

}  // namespace qk::hub
