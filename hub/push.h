#pragma once
/// A folder as a branch of a dataset repository. Nobody sees it half done: the branch goes from the
/// old content to the new in one step.
#include <filesystem>
#include <string>

#include "hub/client.h"
#include "hub/download.h"

namespace qk::hub {

struct PushTarget {
  std::string repo_id;  ///< of a dataset
  std::string branch = "main";
  bool is_private = false;  ///< when it has to be created
  size_t lines_per_commit =
      1000;  ///< more changes take several commits, behind a branch of their own
};

/// What the index on the main branch says about a branch.
struct BranchFacts {
  std::string model, dataset;
  int64_t configs = 0, rows = 0;
};

struct PushResult {
  std::string commit;
  int64_t sent = 0, kept = 0, deleted = 0;  ///< files
};

/// Makes the branch hold the folder's files (but hidden ones), and nothing else. Files that are
/// there already are not sent again, so a push that failed goes on where it was. Then checks what
/// the Hub lists, and brings the index on main up to date. Throws HubError; nothing local changes.
PushResult push_folder(Client& client, const PushTarget& target,
                       const std::filesystem::path& folder, const BranchFacts& facts,
                       TransferProgress& progress);

}  // namespace qk::hub
