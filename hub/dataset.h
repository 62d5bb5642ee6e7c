#pragma once
/// Datasets of the Hub: which files there are, and their card.
#include <optional>
#include <string>
#include <vector>

#include "hub/download.h"
#include "hub/repo.h"

namespace qk::hub {

struct DatasetFiles {
  Repo repo;
  std::string commit;
  std::vector<std::string> paths;
  std::optional<std::string> card = {};  ///< README.md, whole
};

/// Throws HubError.
DatasetFiles list_dataset(Client& client, const std::string& id, const std::string& revision);

/// The branch on which the Hub keeps datasets converted to Parquet, as <config>/<split>/*.parquet;
/// nullopt: there is none.
std::optional<DatasetFiles> list_converted_dataset(Client& client, const std::string& id);

}  // namespace qk::hub
