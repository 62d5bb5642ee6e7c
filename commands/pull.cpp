#include "sniffer/pipeline_pull.h"

#include <fmt/format.h>

#include <memory>

#include "commands/commands.h"
#include "sniffer/pipeline_push.h"

namespace qk::commands {
namespace {

struct Arguments {
  ConfigArguments config;
  bool replace = false;
};

void pull(const Arguments& arguments) {
  const sniffer::SniffConfig config = arguments.config.load();
  const sniffer::PullResult result =
      sniffer::pull_capture(config, {.replace = arguments.replace, .stop = stop_on_signals()});
  fmt::print(stderr, "{}: commit {} is in {} ({} files fetched, {} there already)\n",
             sniffer::push_target(config.output), result.commit, config.output.data_root,
             result.fetched, result.kept);
}

}  // namespace

void add_pull(CLI::App& program) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* command = program.add_subcommand(
      "pull", "Fetch the capture that output.hf_branch holds into output.data_root");
  add_config_options(*command, arguments->config);
  command->add_flag("--replace", arguments->replace,
                    "Put it in the place of another capture in output.data_root");
  command->callback([arguments] { pull(*arguments); });
}

}  // namespace qk::commands
