#pragma once
/// A dataset on the local disk: a single file, a folder of files, or a folder that save_to_disk()
/// wrote.
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "source/row_reader.h"

namespace qk::source {

struct SplitDataFiles {
  std::string split;
  std::vector<DataFile> files;
};

/// The splits in their declared order. `path` as the user gave it, `config` as in
/// DatasetSpec::name. Throws DatasetError: no such path, unknown extension, and what resolve()
/// throws.
std::vector<SplitDataFiles> local_splits(const std::string& path,
                                         const std::optional<std::string>& config);

}  // namespace qk::source
