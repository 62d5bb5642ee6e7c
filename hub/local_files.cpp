#include "hub/local_files.h"

#include <algorithm>
#include <system_error>

#include "base/error.h"
#include "base/files.h"
#include "hub/content_hash.h"
#include "hub/parallel.h"

namespace qk::hub {
namespace {

namespace fs = std::filesystem;

template <typename Action>
auto on_disk(Action&& action) {
  try {
    return action();
  } catch (const std::system_error& error) {
    throw HubError("nothing can be pushed: {}", error.what());
  }
}

std::vector<LocalFile> find_files(const fs::path& folder) {
  std::vector<LocalFile> files;
  for (auto entry = fs::recursive_directory_iterator(folder);
       entry != fs::recursive_directory_iterator(); ++entry) {
    const bool hidden = entry->path().filename().string().starts_with('.');
    if (hidden && entry->is_directory()) entry.disable_recursion_pending();
    if (hidden || !entry->is_regular_file()) continue;
    files.push_back({.path = entry->path().lexically_relative(folder).generic_string(),
                     .file = entry->path(),
                     .bytes = static_cast<int64_t>(entry->file_size()),
                     .written = entry->last_write_time(),
                     .sha256 = {}});
  }
  std::ranges::sort(files, {}, &LocalFile::path);
  return files;
}

}  // namespace

std::vector<LocalFile> list_local_files(const fs::path& folder, int threads,
                                        const Settings& settings) {
  std::vector<LocalFile> files = on_disk([&] { return find_files(folder); });
  if (files.empty()) throw HubError("{} holds no files to push", folder.string());
  run_parallel(files.size(), threads, [&](size_t i) {
    throw_if_stopped(settings);
    files[i].sha256 = on_disk([&] { return sha256_of_file(files[i].file); });
  });
  return files;
}

void expect_unchanged(const LocalFile& file) {
  const bool same = on_disk([&] {
    return static_cast<int64_t>(fs::file_size(file.file)) == file.bytes &&
           fs::last_write_time(file.file) == file.written;
  });
  if (!same)
    throw HubError("{} changed while it was being pushed; push again when nothing writes there",
                   file.file.string());
}

bool is_same(const LocalFile& local, const RepoFile& remote) {
  if (local.bytes != remote.bytes) return false;
  if (!remote.sha256.empty()) return local.sha256 == remote.sha256;
  return on_disk([&] { return git_oid(read_file(local.file)) == remote.oid; });
}

}  // namespace qk::hub
