#include <fmt/format.h>

#include <memory>

#include "commands/commands.h"
#include "sniffer/pipeline_push.h"

namespace qk::commands {

void add_pull(CLI::App& program) {
  const auto arguments = std::make_shared<ConfigArguments>();
  CLI::App* command = program.add_subcommand(
      "pull", "Fetch the capture that output.hf_branch holds into output.data_root");
  add_config_options(*command, *arguments);
  command->callback([arguments] {
    const sniffer::SniffConfig config = arguments->load();
    const std::string commit = sniffer::pull_capture(config);
    fmt::print(stderr, "{}: commit {} is in {}\n", sniffer::push_target(config.output), commit,
               config.output.data_root);
  });
}

}  // namespace qk::commands
