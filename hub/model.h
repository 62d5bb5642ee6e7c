#pragma once
/// Models and tokenizers of the Hub as folders of the cache.
#include <filesystem>
#include <string>

#include "hub/client.h"
#include "hub/download.h"

namespace qk::hub {

struct Snapshot {
  std::filesystem::path folder;
  std::string commit;
};

struct ModelParts {
  bool weights = true;  ///< config.json and safetensors
  bool tokenizer = true;
};

/// Fetches what is not there yet. When the Hub can't be asked, what the cache has at this revision
/// does, if it is whole. Throws HubError: gated, missing, no such revision, no safetensors, ...
Snapshot fetch_model(Client& client, const std::string& id, const std::string& revision,
                     ModelParts parts, TransferProgress& progress);

}  // namespace qk::hub
