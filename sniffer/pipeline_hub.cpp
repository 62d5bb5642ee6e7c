#include "sniffer/pipeline_hub.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/log.h"
#include "base/numbers.h"
#include "hub/model.h"
#include "sniffer/pipeline_hub_dataset.h"
#include "sniffer/progress.h"
#include "source/file_format.h"

namespace qk::sniffer {

namespace fs = std::filesystem;

struct TransferDisplay::State {
  Progress line;
  hub::TransferProgress progress;

  explicit State(const std::string& what)
      : line(log::level() > log::Level::Info), progress([this, what](int64_t done, int64_t all) {
          line.show(fmt::format("{} {} of {}", what, readable_bytes(done), readable_bytes(all)));
        }) {}
};

TransferDisplay::TransferDisplay(const std::string& what) : state_(new State(what)) {}
TransferDisplay::~TransferDisplay() = default;
hub::TransferProgress& TransferDisplay::progress() { return state_->progress; }

hub::Settings hub_settings(const std::atomic<bool>* stop) {
  hub::Settings settings = hub::read_settings(hub::environment());
  settings.stop = stop;
  return settings;
}

std::shared_ptr<hub::Client> Finder::client() {
  if (!client_) client_ = std::make_shared<hub::Client>(hub_settings(stop_));
  return client_;
}

FoundFolder Finder::folder(const std::string& name, const std::string& key,
                           const std::string& revision, hub::ModelParts parts) {
  if (fs::is_directory(name)) return {name, ""};
  if (!hub::is_repo_id(name) || name.find('/') == std::string::npos) {
    throw ConfigError(
        "{}: '{}' is no folder here (looked in {}), and no name of a Hub repository (org/name)",
        key, name, fs::current_path().string());
  }
  TransferDisplay display("downloading " + name + ":");
  try {
    const hub::Snapshot found =
        hub::fetch_model(*client(), name, revision, parts, display.progress());
    return {found.folder, found.commit};
  } catch (const HubError& error) {
    throw HubError("{}: '{}' is no folder here; on the Hub: {}", key, name, error.what());
  }
}

FoundFolder Finder::model(const SniffConfig& config) {
  return folder(config.model.name, "model.name", config.model.revision.value_or("main"),
                {.weights = false, .tokenizer = !config.tokenizer.name});
}

void Finder::weights(const SniffConfig& config, const FoundFolder& model,
                     std::function<bool(const std::string& tensor)> needs) {
  if (model.commit.empty()) return;
  folder(config.model.name, "model.name", model.commit,
         {.tokenizer = false, .needs = std::move(needs)});
}

FoundFolder Finder::tokenizer(const SniffConfig& config) {
  const hub::ModelParts kTokenizer{.config = false, .weights = false};
  if (config.tokenizer.name)
    return folder(*config.tokenizer.name, "tokenizer.name", "main", kTokenizer);
  return folder(config.model.name, "model.name", config.model.revision.value_or("main"),
                kTokenizer);
}

FoundTexts Finder::texts(const source::DatasetSpec& spec) {
  const bool names_a_file = source::kind_of_file(spec.path).has_value();
  if (fs::exists(spec.path) || names_a_file || !hub::is_repo_id(spec.path))
    return {source::open_text(spec), ""};
  return open_hub_dataset(client(), spec);
}

}  // namespace qk::sniffer
