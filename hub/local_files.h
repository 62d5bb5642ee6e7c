#pragma once
/// The files of a folder that is to be pushed, with the hashes by which the Hub knows them.
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "hub/repo.h"

namespace qk::hub {

struct LocalFile {
  std::string path;  ///< in the folder, '/' between the parts
  std::filesystem::path file;
  int64_t bytes = 0;
  std::filesystem::file_time_type written;
  std::string sha256;
};

/// Sorted by path; without hidden files and folders. Hashes on several threads. Throws HubError,
/// Interrupted.
std::vector<LocalFile> list_local_files(const std::filesystem::path& folder, int threads,
                                        const Settings& settings);

/// Throws HubError when the file is not as it was when it was listed.
void expect_unchanged(const LocalFile& file);

/// True when the repository holds this content.
bool is_same(const LocalFile& local, const RepoFile& remote);

}  // namespace qk::hub
