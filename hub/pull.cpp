#include "hub/pull.h"

#include <system_error>

#include "base/error.h"
#include "base/files.h"
#include "hub/content_hash.h"
#include "hub/parallel.h"

namespace qk::hub {

namespace fs = std::filesystem;

const RepoFile* BranchContent::find(const std::string& path) const {
  const auto found = files.find(path);
  return found == files.end() ? nullptr : &found->second;
}

BranchContent list_branch(Client& client, const std::string& repo_id, const std::string& branch) {
  BranchContent content{
      .repo = {.type = RepoType::Dataset, .id = repo_id}, .commit = {}, .files = {}};
  content.commit = resolve_revision(client, content.repo, branch);
  for (RepoFile& file : list_files(client, content.repo, content.commit))
    content.files.emplace(file.path, std::move(file));
  content.files.erase(kGitAttributes);
  return content;
}

bool holds(const fs::path& file, const RepoFile& listed) {
  std::error_code error;
  if (static_cast<int64_t>(fs::file_size(file, error)) != listed.bytes || error) return false;
  try {
    return listed.sha256.empty() ? git_oid(read_file(file)) == listed.oid
                                 : sha256_of_file(file) == listed.sha256;
  } catch (const std::system_error& problem) {
    throw HubError("{}; make it readable, or move it away", problem.what());
  }
}

void fetch_branch_files(Client& client, const BranchContent& branch,
                        const std::vector<std::string>& paths, const Target& folder,
                        TransferProgress& progress) {
  run_parallel(paths.size(), client.settings().parallel, [&](size_t i) {
    throw_if_stopped(client.settings());
    const fs::path file = folder.file / paths[i];
    if (!holds(file, branch.files.at(paths[i])))
      fetch_to(client, branch.repo, branch.commit, paths[i],
               {.file = file, .elsewhere = folder.elsewhere}, progress);
  });
}

}  // namespace qk::hub
