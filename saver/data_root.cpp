#include "saver/data_root.h"

#include <fcntl.h>
#include <fmt/ranges.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "base/fault_point.h"
#include "base/files.h"
#include "base/log.h"

namespace qk::saver {
namespace fs = std::filesystem;
namespace {

constexpr size_t kNamesShown = 5;

bool is_config_folder(const std::string& name) {
  static const std::regex kPattern("l[0-9]{2,}h[0-9]{2,}[qk]");
  return std::regex_match(name, kPattern);
}

bool same_file(const Fd& fd, const fs::path& file) {
  struct stat open {
  }, named{};
  return ::fstat(fd.get(), &open) == 0 && ::stat(file.c_str(), &named) == 0 &&
         open.st_dev == named.st_dev && open.st_ino == named.st_ino;
}

void make_folder(const fs::path& folder) {
  if (::mkdir(folder.c_str(), 0777) != 0 && errno != EEXIST)
    throw io_error("create the folder", folder, errno);
}

void rename_file(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) throw io_error("rename to", to, errno);
}

void remove_file(const fs::path& file) {
  if (::unlink(file.c_str()) != 0 && errno != ENOENT) throw io_error("remove", file, errno);
}

/// Flushes everything written to the file system that has `folder`.
void sync_all(const fs::path& folder) {
  const Fd fd = open_fd(folder, O_RDONLY | O_DIRECTORY);
  if (::syncfs(fd.get()) != 0) throw io_error("sync", folder, errno);
}

std::set<std::string> names_of(const std::vector<FileFacts>& files) {
  std::set<std::string> names;
  for (const FileFacts& file : files) names.insert(file.name);
  return names;
}

void move_staged_files(const DataRootPaths& paths, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const fs::path staged = paths.staging() / name;
    if (!fs::exists(staged)) continue;  // moved before a crash
    const fs::path file = paths.root / name;
    if (file.parent_path() != paths.root) make_folder(file.parent_path());
    rename_file(staged, file);
    fault::point("publish.moved");
  }
}

void remove_stale_files(const DataRootPaths& paths, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (!is_capture_file(name)) continue;
    const fs::path file = paths.root / name;
    remove_file(file);
    if (file.parent_path() != paths.root)
      ::rmdir(file.parent_path().c_str());  // stays when not empty
    fault::point("publish.stale_removed");
  }
}

}  // namespace

DataRootLock::DataRootLock(const DataRootPaths& paths) : paths_(paths) {
  for (;;) {
    make_folder(paths.work());
    fd_ = open_fd(paths.lock(), O_RDWR | O_CREAT);
    if (::flock(fd_.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) throw io_error("lock", paths.lock(), errno);
      const std::string holder = read_file(paths.lock());
      throw OutputError(
          "{}: another run writes there ({}). Wait for it or stop it, or choose another "
          "output.data_root.",
          paths.root.string(), holder.empty() ? "just started" : holder);
    }
    if (same_file(fd_, paths.lock())) break;  // else its holder has just removed it
  }
  const std::string holder = fmt::format("process {}", ::getpid());
  if (::ftruncate(fd_.get(), 0) != 0) throw io_error("write", paths.lock(), errno);
  write_fully(fd_, {{const_cast<char*>(holder.data()), holder.size()}}, paths.lock());
  fault::point("lock.held");
}

DataRootLock::~DataRootLock() {
  if (!same_file(fd_, paths_.lock())) return;
  ::unlink(paths_.lock().c_str());
  ::rmdir(paths_.work().c_str());
}

void DataRootLock::check() const {
  if (same_file(fd_, paths_.lock())) return;
  throw OutputError(
      "{}: is no longer the folder that this run began to write: it, or .sniff in it, was moved, "
      "removed or unmounted. Bring it back, then run the same command: it continues where it "
      "stopped.",
      paths_.root.string());
}

std::vector<std::string> foreign_files(const DataRootPaths& paths,
                                       const FinishedCapture* finished) {
  std::set<std::string> ours;
  if (finished != nullptr) {
    ours = names_of(finished->files);
    ours.insert("run.json");
  }
  std::vector<std::string> foreign;
  for (const fs::directory_entry& entry : fs::directory_iterator(paths.root)) {
    const std::string name = entry.path().filename().string();
    if (name == ".sniff" && entry.is_directory()) continue;
    if (!is_config_folder(name) || !entry.is_directory()) {
      if (!ours.contains(name)) foreign.push_back(name);
      continue;
    }
    for (const fs::directory_entry& inner : fs::directory_iterator(entry.path())) {
      const std::string path = name + "/" + inner.path().filename().string();
      if (!ours.contains(path)) foreign.push_back(path);
    }
  }
  std::sort(foreign.begin(), foreign.end());
  return foreign;
}

void refuse_foreign_files(const DataRootPaths& paths, const FinishedCapture* finished) {
  const std::vector<std::string> foreign = foreign_files(paths, finished);
  if (foreign.empty()) return;
  const size_t shown = std::min(foreign.size(), kNamesShown);
  const std::string more =
      foreign.size() > shown ? fmt::format(" and {} more", foreign.size() - shown) : "";
  throw OutputError(
      "{}: holds files that no capture of sniff-qk wrote: {}{}. They are never touched: choose an "
      "empty or new folder as output.data_root, or move them away.",
      paths.root.string(),
      fmt::join(foreign.begin(), foreign.begin() + static_cast<ptrdiff_t>(shown), ", "), more);
}

void refuse_changed_card(const DataRootPaths& paths, const FinishedCapture& finished) {
  const FileFacts* card = finished.find("README.md");
  const fs::path file = paths.root / "README.md";
  if (card == nullptr || !fs::exists(file) || sha256_of_file(file) == card->sha256) return;
  throw OutputError(
      "{}: was edited since the capture wrote it; --replace would lose that. Move it away first.",
      file.string());
}

void refuse_incomplete(const DataRootPaths& paths, const FinishedCapture& finished) {
  for (const FileFacts& file : finished.files) {
    std::error_code error;
    const uintmax_t bytes = fs::file_size(paths.root / file.name, error);
    const bool may_be_edited = file.name == "README.md";
    if (!error && (bytes == file.bytes || may_be_edited)) continue;
    throw OutputError(
        "{}: {}, though the capture there was complete. --replace captures anew; `sniff-qk verify "
        "{}` tells what else is damaged.",
        (paths.root / file.name).string(),
        error ? "is missing" : fmt::format("has {} bytes instead of {}", bytes, file.bytes),
        paths.root.string());
  }
}

bool is_capture_file(const std::string& name) {
  if (name == "README.md" || name == "examples.parquet" || name == "run.json") return true;
  const fs::path path(name);
  return path.filename() == "data.parquet" && is_config_folder(path.parent_path().string());
}

std::optional<FinishedCapture> open_data_root(const DataRootPaths& paths,
                                              std::optional<DataRootLock>& lock) {
  if (fs::exists(paths.root) && !fs::is_directory(paths.root)) {
    throw OutputError("{}: is not a folder. Choose another output.data_root.", paths.root.string());
  }
  fs::create_directories(paths.root);
  if (!fs::exists(
          paths.work())) {  // nobody's capture is under way: look before anything is created
    const auto earlier = read_finished(paths.run());
    refuse_foreign_files(paths, earlier ? &*earlier : nullptr);
  }
  lock.emplace(paths);
  if (finish_publishing(paths))
    log::info("{}: finished what an interrupted run had left to do", paths.root.string());
  auto finished = read_finished(paths.run());
  refuse_foreign_files(paths, finished ? &*finished : nullptr);
  return finished;
}

void refuse_unfinished_pull(const DataRootPaths& paths) {
  if (!fs::exists(paths.pull())) return;
  throw OutputError(
      "{}: a capture is being fetched there from {}, and has not all arrived. `sniff-qk pull` goes "
      "on with that; --replace drops it and captures anew.",
      paths.root.string(), read_file(paths.pull()));
}

void remove_unfinished(const DataRootPaths& paths) {
  fs::remove_all(paths.staging());
  fault::point("unfinished.staging_removed");
  for (const fs::directory_entry& entry : fs::directory_iterator(paths.work())) {
    if (entry.path().extension() == ".spool") remove_file(entry.path());
  }
  fault::point("unfinished.spool_removed");
  remove_file(paths.identity());
  remove_file(paths.pull());
}

void publish(const DataRootPaths& paths, const std::vector<FileFacts>& files,
             const FinishedCapture* earlier) {
  std::set<std::string> names = names_of(files);
  std::vector<std::string> stale;
  if (earlier != nullptr) {
    for (const FileFacts& file : earlier->files) {
      if (!names.contains(file.name)) stale.push_back(file.name);
    }
  }
  sync_all(paths.staging());
  fault::point("publish.staged");
  write_file_atomically(paths.publish(),
                        nlohmann::json{{"files", names}, {"remove", stale}}.dump());
  fault::point("publish.intended");
  finish_publishing(paths);
}

bool finish_publishing(const DataRootPaths& paths) {
  if (!fs::exists(paths.publish())) return false;
  const auto intent = nlohmann::json::parse(read_file(paths.publish()));
  const fs::path staged_run = paths.staging() / "run.json";
  if (fs::exists(staged_run)) {
    remove_file(
        paths.run());  // while it is missing, readers know that the capture is being exchanged
    fault::point("publish.run_file_removed");
    move_staged_files(paths, intent.at("files"));
    remove_stale_files(paths, intent.at("remove"));
    sync_all(paths.root);
    fault::point("publish.all_moved");
    rename_file(staged_run, paths.run());
    fault::point("publish.run_file");
    sync_folder(paths.root);
  }
  remove_unfinished(paths);
  sync_folder(paths.work());
  fault::point("publish.cleared");
  remove_file(paths.publish());
  fault::point("publish.done");
  return true;
}

}  // namespace qk::saver
