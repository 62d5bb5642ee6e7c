#pragma once
/// The YAML front matter of a dataset card (README.md), as far as it says which files make which
/// split. Source: datasets 4/5 utils/metadata.py and data_files.py.
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qk::source {

struct SplitPatterns {
  std::string split;
  std::vector<std::string> patterns;
};

/// One item of `configs:`.
struct CardConfig {
  std::string name;
  std::optional<std::vector<SplitPatterns>> data_files;  ///< nullopt: the default patterns decide
  std::string data_dir;                                  ///< empty: the root of the dataset
  bool is_default = false;
  std::vector<std::pair<std::string, std::string>>
      parameters;  ///< builder parameters with scalar values; other: "..."
};

/// The configs in the order of the card; none for a card without front matter or without `configs`.
/// `where` names the card in messages. Throws DatasetError: bad YAML, a wrong shape, a split named
/// twice.
std::vector<CardConfig> card_configs(std::string_view card, std::string_view where);

}  // namespace qk::source
