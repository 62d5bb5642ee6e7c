#pragma once
/// A dataset on the local disk: a single file, a folder of files, or a folder that save_to_disk()
/// wrote.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "source/row_reader.h"
#include "source/text_reader.h"

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

/// As open_text of text_reader.h, for files that were found elsewhere: spec.path only names the
/// dataset in messages.
std::unique_ptr<TextReader> open_text(const DatasetSpec& spec,
                                      const std::vector<SplitDataFiles>& splits);

}  // namespace qk::source
