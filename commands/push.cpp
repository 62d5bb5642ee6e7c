#include <memory>

#include "base/log.h"
#include "commands/commands.h"
#include "sniffer/pipeline_push.h"

namespace qk::commands {

void push(const sniffer::SniffConfig& config, const std::atomic<bool>* stop) {
  const hub::PushResult result = sniffer::push_capture(config, stop);
  log::info("{}: {} files sent, {} there already, {} removed; commit {}",
            sniffer::push_target(config.output), result.sent, result.kept, result.deleted,
            result.commit);
}

void add_push(CLI::App& program) {
  const auto arguments = std::make_shared<ConfigArguments>();
  CLI::App* command = program.add_subcommand(
      "push", "Send a finished capture to output.hf_repo_id; repeats a push that failed");
  add_config_options(*command, *arguments);
  command->callback([arguments] { push(arguments->load(), stop_on_signals()); });
}

}  // namespace qk::commands
