#include <fmt/format.h>

#include <memory>

#include "base/error.h"
#include "commands/commands.h"
#include "hub/model.h"
#include "hub/repo.h"
#include "sniffer/pipeline_hub.h"

namespace qk::commands {
namespace {

struct Arguments {
  std::string model, revision = "main";
  bool only_tokenizer = false;
};

void download(const Arguments& arguments) {
  if (!hub::is_repo_id(arguments.model))
    throw ConfigError("'{}' is no name of a Hub repository, such as Qwen/Qwen3-0.6B",
                      arguments.model);
  hub::Client client(sniffer::hub_settings(stop_on_signals()));
  sniffer::TransferDisplay display("downloading " + arguments.model + ":");
  const hub::Snapshot found =
      hub::fetch_model(client, arguments.model, arguments.revision,
                       {.config = !arguments.only_tokenizer, .weights = !arguments.only_tokenizer},
                       display.progress());
  fmt::print("{}\n", found.folder.string());
}

}  // namespace

void add_download(CLI::App& program) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* command = program.add_subcommand(
      "download", "Fetch a model from the Hub into the cache, and print its folder");
  command->add_option("model", arguments->model, "For example Qwen/Qwen3-0.6B")->required();
  command->add_option("--revision", arguments->revision, "Branch, tag or commit")
      ->capture_default_str();
  command->add_flag("--only-tokenizer", arguments->only_tokenizer, "The tokenizer's files alone");
  command->callback([arguments] { download(*arguments); });
}

}  // namespace qk::commands
