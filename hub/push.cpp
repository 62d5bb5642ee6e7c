#include "hub/push.h"

#include <algorithm>
#include <map>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "hub/branch_index.h"
#include "hub/commit.h"

namespace qk::hub {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxTries = 8;
constexpr size_t kFewestLines = 20;

/// How the branch differs from the folder.
struct Difference {
  std::vector<const LocalFile*> changed;
  std::vector<std::string> stale;

  bool empty() const { return changed.empty() && stale.empty(); }
};

Difference compare(const std::vector<LocalFile>& local, const std::vector<RepoFile>& listed) {
  std::map<std::string, const RepoFile*> remote;
  for (const RepoFile& file : listed) remote[file.path] = &file;
  remote.erase(kGitAttributes);
  Difference difference;
  for (const LocalFile& file : local) {
    const auto found = remote.find(file.path);
    if (found == remote.end() || !is_same(file, *found->second))
      difference.changed.push_back(&file);
    if (found != remote.end()) remote.erase(found);
  }
  for (const auto& [path, file] : remote) difference.stale.push_back(path);
  return difference;
}

class Push {
 public:
  Push(Client& client, const PushTarget& target, std::vector<LocalFile> files,
       TransferProgress& progress)
      : client_(client),
        target_(target),
        repo_{.type = RepoType::Dataset, .id = target.repo_id},
        files_(std::move(files)),
        progress_(progress),
        behind_("sniff-qk-incoming/" + target.branch),
        lines_per_commit_(target.lines_per_commit) {}

  PushResult run() {
    ensure_repo(client_, repo_, target_.is_private);
    for (int tries = 1;; ++tries) {
      try {
        return make_equal();
      } catch (const CommitTooLarge& problem) {
        if (lines_per_commit_ <= kFewestLines) throw HubError("{}", problem.what());
        lines_per_commit_ = std::max(lines_per_commit_ / 2, kFewestLines);
      } catch (const TryAgain& problem) {
        if (tries == kMaxTries) throw HubError("{} (after {} tries)", problem.what(), tries);
        log::debug("{}; looking again", problem.what());
        client_.wait(problem.seconds() * tries);
      }
    }
  }

 private:
  PushResult make_equal() {
    std::string head = head_of_branch();
    const Difference difference = compare(files_, list_files(client_, repo_, head));
    result_.kept = static_cast<int64_t>(files_.size() - difference.changed.size());
    if (!difference.empty()) {
      head = commit(head, changes_of(difference));
      result_.sent = static_cast<int64_t>(difference.changed.size());
      result_.deleted = static_cast<int64_t>(difference.stale.size());
      if (!compare(files_, list_files(client_, repo_, head)).empty())
        throw TryAgain(fmt::format("{}: the Hub lists other files at {} than were pushed",
                                   repo_.name(), head));
    }
    delete_behind();
    result_.commit = head;
    return result_;
  }

  /// What a push in several commits leaves when it is cut off.
  void delete_behind() {
    if (std::exchange(behind_exists_, false)) delete_branch(client_, repo_, behind_);
  }

  std::string head_of_branch() {
    auto branches = list_branches(client_, repo_);
    if (!branches.contains(target_.branch)) {
      set_branch(client_, repo_, target_.branch, branches.at("main"), false);
      branches = list_branches(client_, repo_);
    }
    behind_exists_ = branches.contains(behind_);
    const auto found = branches.find(target_.branch);
    if (found == branches.end())
      throw TryAgain(fmt::format("{}: branch '{}' does not appear", repo_.name(), target_.branch));
    return found->second;
  }

  std::vector<Change> changes_of(const Difference& difference) {
    const auto is_large = ask_upload_modes(client_, repo_, target_.branch, difference.changed);
    std::vector<const LocalFile*> large;
    std::vector<Change> changes;
    for (const LocalFile* file : difference.changed) {
      const auto mode = is_large.find(file->path);
      if (mode == is_large.end())
        throw HubError("{}: the Hub does not say how to take {}", repo_.name(), file->path);
      if (mode->second) large.push_back(file);
      changes.push_back(mode->second ? Change{.kind = Change::Kind::LargeFile,
                                              .path = file->path,
                                              .content = {},
                                              .sha256 = file->sha256,
                                              .bytes = file->bytes}
                                     : content_of(*file));
    }
    for (const std::string& path : difference.stale)
      changes.push_back(
          {.kind = Change::Kind::Deletion, .path = path, .content = {}, .sha256 = {}});
    upload_large_files(client_, repo_, target_.branch, large, progress_);
    return changes;
  }

  static Change content_of(const LocalFile& file) {
    try {
      Change change{.kind = Change::Kind::Content,
                    .path = file.path,
                    .content = read_file(file.file),
                    .sha256 = {},
                    .bytes = file.bytes};
      expect_unchanged(file);
      return change;
    } catch (const std::system_error& error) {
      throw HubError("nothing can be pushed: {}", error.what());
    }
  }

  std::string title() const { return fmt::format("sniff-qk: {} files", files_.size()); }

  std::string commit(const std::string& head, const std::vector<Change>& changes) {
    if (changes.size() <= lines_per_commit_)
      return commit_changes(client_, repo_, target_.branch, head, title(), changes);
    return commit_behind(head, changes);
  }

  /// More than the server takes at once: the new state grows on another branch, then the branch is
  /// set to it.
  std::string commit_behind(const std::string& head, const std::vector<Change>& changes) {
    set_branch(client_, repo_, behind_, head, true);
    behind_exists_ = true;
    std::string last = head;
    for (size_t at = 0; at < changes.size(); at += lines_per_commit_) {
      const size_t end = std::min(at + lines_per_commit_, changes.size());
      last = commit_changes(
          client_, repo_, behind_, last, title(),
          {changes.begin() + static_cast<long>(at), changes.begin() + static_cast<long>(end)});
    }
    if (list_branches(client_, repo_).at(target_.branch) != head)
      throw TryAgain(fmt::format("{}: branch '{}' has moved on", repo_.name(), target_.branch));
    try {
      set_branch(client_, repo_, target_.branch, last, true);
      return last;
    } catch (const UnreachableError&) {
      throw;
    } catch (const HubError& refusal) {
      return commit_at_once(head, changes, refusal);
    }
  }

  /// Where the branch may not be moved, as a protected one: all in one commit, whatever its size.
  std::string commit_at_once(const std::string& head, const std::vector<Change>& changes,
                             const HubError& refusal) {
    try {
      return commit_changes(client_, repo_, target_.branch, head, title(), changes);
    } catch (const CommitTooLarge& problem) {
      throw HubError(
          "{} changes are too many for one commit ({}), and branch '{}' can't be moved to several "
          "({}); name another branch in output.hf_branch",
          changes.size(), problem.what(), target_.branch, refusal.what());
    }
  }

  Client& client_;
  const PushTarget& target_;
  Repo repo_;
  std::vector<LocalFile> files_;
  TransferProgress& progress_;
  const std::string behind_;
  bool behind_exists_ = false;
  size_t lines_per_commit_;
  PushResult result_;
};

void check_target(const Client& client, const PushTarget& target) {
  if (!is_repo_id(target.repo_id))
    throw HubError("output.hf_repo_id: '{}' is no name of a repository (org/name)", target.repo_id);
  if (!client.settings().token) {
    throw HubError(
        "pushing to {} needs a token that may write there: set HF_TOKEN (or run `hf auth login`)",
        target.repo_id);
  }
}

}  // namespace

PushResult push_folder(Client& client, const PushTarget& target, const fs::path& folder,
                       const BranchFacts& facts, TransferProgress& progress) {
  check_target(client, target);
  const int threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  const PushResult result =
      Push(client, target, list_local_files(folder, threads, client.settings()), progress).run();
  if (target.branch != "main")
    update_branch_index(client, {.type = RepoType::Dataset, .id = target.repo_id}, target.branch,
                        facts);
  return result;
}

}  // namespace qk::hub
