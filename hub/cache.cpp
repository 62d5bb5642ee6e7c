#include "hub/cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"

namespace qk::hub {
namespace {

namespace fs = std::filesystem;

constexpr auto kBetweenTries = std::chrono::milliseconds(50);
constexpr int kTriesInSilence = 20;

constexpr const char* kTag =
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# Made by sniff-qk; the files are shared with Python's huggingface_hub.\n";

/// Errors of the disk, with what to do.
template <typename Action>
auto on_disk(const fs::path& path, Action&& action) {
  try {
    return action();
  } catch (const std::system_error& error) {
    throw HubError("{}: {}; HF_HUB_CACHE may name another folder", path.string(), error.what());
  }
}

void check_safe(const Repo& repo, const std::string& name) {
  if (!is_safe_path(name))
    throw HubError("{}: '{}' is no name for a file of the cache", repo.name(), name);
}

}  // namespace

FileLock::FileLock(const fs::path& file) {
  on_disk(file, [&] { fs::create_directories(file.parent_path()); });
  fd_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0664);
  if (fd_ < 0) throw HubError("{}: {}", file.string(), std::generic_category().message(errno));
}

FileLock::FileLock(const fs::path& file, const Settings& settings) : FileLock(file) {
  for (int tries = 0; ::flock(fd_, LOCK_EX | LOCK_NB) != 0; ++tries) {
    if (errno != EWOULDBLOCK && errno != EINTR)
      throw HubError("{}: can't be locked: {}; HF_HUB_CACHE must be on a file system with locks",
                     file.string(), std::generic_category().message(errno));
    if (tries == kTriesInSilence)
      log::info("waiting for another process that downloads the same file ({})", file.string());
    throw_if_stopped(settings);
    std::this_thread::sleep_for(kBetweenTries);
  }
}

FileLock::~FileLock() { ::close(fd_); }

Cache::Cache(fs::path root, Repo repo)
    : root_(std::move(root)), folder_(root_ / repo.cache_folder()), repo_(std::move(repo)) {}

std::optional<std::string> Cache::commit_of(const std::string& revision) const {
  if (is_commit(revision)) return revision;
  if (!is_safe_path(revision)) return std::nullopt;
  const fs::path file = folder_ / "refs" / revision;
  if (!fs::is_regular_file(file)) return std::nullopt;
  std::string commit = on_disk(file, [&] { return read_file(file); });
  while (!commit.empty() && std::isspace(static_cast<unsigned char>(commit.back())))
    commit.pop_back();
  return is_commit(commit) ? std::optional(commit) : std::nullopt;
}

void Cache::remember(const std::string& revision, const std::string& commit) const {
  if (revision == commit || commit_of(revision) == commit) return;
  check_safe(repo_, revision);
  const fs::path file = folder_ / "refs" / revision;
  on_disk(file, [&] {
    fs::create_directories(file.parent_path());
    if (!fs::exists(root_ / "CACHEDIR.TAG")) write_file_atomically(root_ / "CACHEDIR.TAG", kTag);
    write_file_atomically(file, commit);
  });
}

fs::path Cache::snapshot(const std::string& commit) const { return folder_ / "snapshots" / commit; }

bool Cache::has(const std::string& commit, const std::string& path) const {
  std::error_code ignored;
  return is_safe_path(path) && fs::is_regular_file(snapshot(commit) / path, ignored);
}

fs::path Cache::blob(const std::string& etag) const {
  check_safe(repo_, etag);
  if (etag.find('/') != std::string::npos)
    throw HubError("{}: '{}' is no name for a file of the cache", repo_.name(), etag);
  return folder_ / "blobs" / etag;
}

fs::path Cache::lock_file(const std::string& etag) const {
  return root_ / ".locks" / repo_.cache_folder() / (blob(etag).filename().string() + ".lock");
}

void Cache::link(const std::string& commit, const std::string& path,
                 const std::string& etag) const {
  check_safe(repo_, path);
  const fs::path file = snapshot(commit) / path;
  on_disk(file, [&] {
    fs::create_directories(file.parent_path());
    const fs::path target = blob(etag).lexically_relative(file.parent_path());
    std::error_code error;
    fs::create_symlink(target, file, error);
    if (!error) return;
    std::error_code ignored;
    if (fs::is_symlink(file, ignored) && fs::read_symlink(file, ignored) != target) {
      fs::remove(file);
      fs::create_symlink(target, file);
    } else if (!fs::exists(file)) {  // no symlinks here: readers take a file just as well
      fs::copy_file(blob(etag), file);
    }
  });
}

}  // namespace qk::hub
