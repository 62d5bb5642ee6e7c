#include "sniffer/pipeline_pull.h"

#include <fmt/format.h>

#include <iterator>
#include <optional>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "base/numbers.h"
#include "hub/pull.h"
#include "saver/data_root.h"
#include "saver/spool_recovery.h"
#include "sniffer/pipeline_hub.h"
#include "sniffer/pipeline_push.h"

namespace qk::sniffer {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRunFile = "run.json";
constexpr const char* kCard = "README.md";
constexpr const char* kElsewhere = "choose another output.data_root";

class Pull {
 public:
  Pull(const SniffConfig& config, const PullOptions& options)
      : options_(options),
        source_(push_target(config.output)),
        target_(target_of(config.output)),
        paths_{config.output.data_root},
        client_(hub_settings(options.stop)),
        display_("downloading " + target_.repo_id + ":") {}

  PullResult run() {
    branch_ = hub::list_branch(client_, target_.repo_id, target_.branch);
    const hub::RepoFile* run_file = branch_.find(kRunFile);
    if (run_file == nullptr)
      throw HubError("{}: there is no run.json, so it holds no capture of sniff-qk", source_);
    finished_ = saver::open_data_root(paths_, lock_);
    is_same_capture_ = finished_ && hub::holds(paths_.run(), *run_file);
    make_room();
    write_file_atomically(paths_.pull(), source_);
    fetch({kRunFile});
    read_run_file();
    const std::vector<std::string> missing = missing_files();
    if (!missing.empty() || !is_same_capture_) {
      check_space(missing);
      fetch(missing);
      check_hashes(missing);
      saver::publish(paths_, capture_.files, finished_ ? &*finished_ : nullptr);
    } else {
      saver::remove_unfinished(paths_);
    }
    const auto fetched = static_cast<int64_t>(missing.size()) + (is_same_capture_ ? 0 : 1);
    return {.commit = branch_.commit,
            .fetched = fetched,
            .kept = static_cast<int64_t>(capture_.files.size()) + 1 - fetched};
  }

 private:
  /// What lies in data_root beside the branch's capture, and may go.
  void make_room() {
    if (finished_ && !is_same_capture_) {
      if (!options_.replace) {
        throw OutputError(
            "{} holds another capture than {}; --replace puts the branch's in its place, or "
            "choose another output.data_root",
            paths_.root.string(), source_);
      }
      saver::refuse_changed_card(paths_, *finished_);
    }
    if (!fs::exists(paths_.identity())) return;
    if (!options_.replace && saver::holds_documents(paths_.work())) {
      throw OutputError(
          "{} holds an unfinished capture; finish it, drop it with --replace, or choose another "
          "output.data_root",
          paths_.root.string());
    }
    saver::remove_unfinished(paths_);
  }

  void fetch(const std::vector<std::string>& names) {
    hub::fetch_branch_files(client_, branch_, names,
                            {.file = paths_.staging(), .elsewhere = kElsewhere},
                            display_.progress());
  }

  /// Names in a file that came from elsewhere: only a capture's own are used.
  void read_run_file() {
    capture_ = saver::read_finished(paths_.staging() / kRunFile).value();
    for (const saver::FileFacts& file : capture_.files) {
      const hub::RepoFile* listed = branch_.find(file.name);
      if (!saver::is_capture_file(file.name))
        throw HubError("{}: its run.json names a file that no capture writes: {}", source_,
                       file.name);
      if (listed == nullptr) throw HubError("{}: {} is missing there", source_, file.name);
      const bool other_size = listed->bytes != static_cast<int64_t>(file.bytes);
      const bool other_hash = !listed->sha256.empty() && listed->sha256 != file.sha256;
      if (file.name != kCard && (other_size || other_hash)) throw_damaged(file.name);
    }
    const auto others = std::ssize(branch_.files) - std::ssize(capture_.files) - 1;
    if (others > 0)
      log::info("{}: {} files of the branch belong to no capture and stay there", source_, others);
  }

  [[noreturn]] void throw_damaged(const std::string& name) const {
    throw HubError("{}: {} is not what the capture wrote; push it again from where it was made",
                   source_, name);
  }

  std::vector<std::string> missing_files() {
    std::vector<std::string> missing;
    for (const saver::FileFacts& file : capture_.files) {
      if (!is_there(file)) missing.push_back(file.name);
    }
    return missing;
  }

  bool is_there(const saver::FileFacts& file) {
    const saver::FileFacts* earlier = finished_ ? finished_->find(file.name) : nullptr;
    const fs::path there = paths_.root / file.name;
    if (earlier == nullptr || !fs::exists(there)) return false;
    if (hub::holds(there, *branch_.find(file.name))) return true;
    const bool is_edited_card = file.name == kCard && sha256_of_file(there) != earlier->sha256;
    if (is_edited_card) log::info("{}: was edited, and stays as it is", there.string());
    return is_edited_card;
  }

  void check_space(const std::vector<std::string>& names) const {
    int64_t bytes = 0;
    for (const std::string& name : names) {
      std::error_code none;
      const fs::path staged = paths_.staging() / name;
      bytes += branch_.find(name)->bytes;
      for (const fs::path& file : {staged, fs::path(staged.string() + ".incomplete")}) {
        const uintmax_t there = fs::file_size(file, none);
        if (!none) bytes -= static_cast<int64_t>(there);
      }
    }
    const auto free = static_cast<int64_t>(fs::space(paths_.root).available);
    if (bytes <= free) return;
    throw OutputError("{}: {} are needed and {} are free; make room, or {}", paths_.root.string(),
                      readable_bytes(bytes), readable_bytes(free), kElsewhere);
  }

  /// The listing gives SHA-256 of large files alone; run.json of all.
  void check_hashes(const std::vector<std::string>& names) const {
    for (const std::string& name : names) {
      const bool compared = !branch_.find(name)->sha256.empty() || name == kCard;
      if (compared || sha256_of_file(paths_.staging() / name) == capture_.find(name)->sha256)
        continue;
      fs::remove(paths_.staging() / name);
      throw_damaged(name);
    }
  }

  const PullOptions& options_;
  const std::string source_;
  const hub::PushTarget target_;
  const saver::DataRootPaths paths_;
  std::optional<saver::DataRootLock> lock_;
  std::optional<saver::FinishedCapture> finished_;  ///< in data_root
  hub::Client client_;
  TransferDisplay display_;
  hub::BranchContent branch_;
  saver::FinishedCapture capture_;  ///< on the branch
  bool is_same_capture_ = false;
};

}  // namespace

PullResult pull_capture(const SniffConfig& config, const PullOptions& options) {
  try {
    return Pull(config, options).run();
  } catch (const Interrupted&) {
    throw Interrupted("stopped; what has arrived is kept, and the same command goes on from there");
  } catch (const std::system_error& error) {
    throw OutputError("{}; repair that, then give the same command again: it goes on from there",
                      error.what());
  }
}

}  // namespace qk::sniffer
