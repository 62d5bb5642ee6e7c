#pragma once
/// Models and tokenizers of the Hub as folders of the cache.
#include <filesystem>
#include <functional>
#include <string>

#include "hub/client.h"
#include "hub/download.h"

namespace qk::hub {

struct Snapshot {
  std::filesystem::path folder;
  std::string commit;
};

struct ModelParts {
  bool config = true;   ///< config.json
  bool weights = true;  ///< safetensors
  bool tokenizer = true;
  /// Of shards, those that hold a tensor for which this is true; empty: all.
  std::function<bool(const std::string& tensor)> needs = {};
};

/// Fetches what is not there yet. When the Hub can't be asked, what the cache has at this revision
/// does, if it is whole. Throws HubError: gated, missing, no such revision, no safetensors, ...
Snapshot fetch_model(Client& client, const std::string& id, const std::string& revision,
                     const ModelParts& parts, TransferProgress& progress);

}  // namespace qk::hub
