#pragma once
/// Names of the config that may stand for repositories of the Hub: models, tokenizers, datasets.
#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "hub/client.h"
#include "hub/download.h"
#include "hub/model.h"
#include "sniffer/config.h"
#include "source/text_reader.h"

namespace qk::sniffer {

/// A folder, and the commit it holds; empty: a local folder, whatever it holds.
struct FoundFolder {
  std::filesystem::path folder;
  std::string commit;
};

struct FoundTexts {
  std::unique_ptr<source::TextReader> reader;
  std::string commit;  ///< as in FoundFolder
};

/// Local folders and files come first; what isn't there is looked up on the Hub. Nothing touches
/// the network, nor the Hub's settings, unless a name needs it.
class Finder {
 public:
  explicit Finder(const std::atomic<bool>* stop = nullptr) : stop_(stop) {}

  /// Throw ConfigError (neither a folder nor a name), HubError, DatasetError, Interrupted.
  /// config.json is there then; the weights of a local folder too.
  FoundFolder model(const SniffConfig& config);
  /// Fetches those weight files of a model from the Hub that hold tensors which `needs` names.
  void weights(const SniffConfig& config, const FoundFolder& model,
               std::function<bool(const std::string& tensor)> needs);
  FoundFolder tokenizer(const SniffConfig& config);
  FoundTexts texts(const source::DatasetSpec& spec);

 private:
  FoundFolder folder(const std::string& name, const std::string& key, const std::string& revision,
                     hub::ModelParts parts);
  std::shared_ptr<hub::Client> client();

  const std::atomic<bool>* stop_;
  std::shared_ptr<hub::Client> client_;
};

/// What the environment says; transfers end with Interrupted once `stop` is set. Throws HubError.
hub::Settings hub_settings(const std::atomic<bool>* stop);

/// A line on stderr while files are on their way; nothing in quiet runs.
class TransferDisplay {
 public:
  /// what: "downloading", "uploading".
  explicit TransferDisplay(const std::string& what);
  ~TransferDisplay();
  hub::TransferProgress& progress();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace qk::sniffer
