#pragma once
/// From the names of a dataset's files and its card to the files of each split. Pure: no disk, no
/// network. Source: datasets 4/5 data_files.py and load.py.
#include <optional>
#include <string>
#include <vector>

#include "source/file_format.h"

namespace qk::source {

struct DatasetListing {
  std::string name;                      ///< of the dataset, for messages: a folder or a Hub id
  std::vector<std::string> files;        ///< relative paths, '/' between the parts, any order
  std::optional<std::string> card = {};  ///< README.md, whole
};

struct SplitFiles {
  std::string split;
  std::vector<std::string>
      files;  ///< as in the listing, in the order of their rows; one may stand there twice
};

struct ResolvedDataset {
  FileKind kind;
  std::vector<SplitFiles> splits;  ///< in their declared order, none empty
};

/// `config`: the config's name; nullopt takes the only one or the default one.
/// Throws DatasetError: unknown or ambiguous config (lists them), no file, files of several
/// formats.
ResolvedDataset resolve(const DatasetListing& listing, const std::optional<std::string>& config);

}  // namespace qk::source
