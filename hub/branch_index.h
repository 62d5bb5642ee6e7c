#pragma once
/// The README on the main branch: which branches there are, and what is in them.
#include <set>
#include <string>

#include "hub/client.h"
#include "hub/push.h"
#include "hub/repo.h"

namespace qk::hub {

/// The index with the branch's line in it, and without lines of branches that are gone. `readme` is
/// what main has now, empty: nothing yet. A README of somebody else comes back as it is.
std::string with_branch(const std::string& readme, const std::string& repo_id,
                        const std::string& branch, const BranchFacts& facts,
                        const std::set<std::string>& branches);

/// Brings the README on main up to date. Throws HubError.
void update_branch_index(Client& client, const Repo& repo, const std::string& branch,
                         const BranchFacts& facts);

}  // namespace qk::hub
