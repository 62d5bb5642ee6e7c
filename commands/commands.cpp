#include "commands/commands.h"

#include <csignal>

#include "base/error.h"

namespace qk::commands {
namespace {

std::atomic<bool> signalled{false}, stop_requested{false};
std::atomic<bool>* stop_flag = &stop_requested;  // set before a signal may come

void on_signal(int signal) {
  *stop_flag = true;
  if (signalled.exchange(true)) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
}

}  // namespace

const std::atomic<bool>* stop_on_signals(std::atomic<bool>* flag) {
  if (flag != nullptr) stop_flag = flag;
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  return stop_flag;
}

sniffer::SniffConfig ConfigArguments::load() const {
  if (file.empty()) throw ConfigError("--config FILE is missing; see sniff-qk --help");
  return sniffer::load_config(file, overrides);
}

void add_config_options(CLI::App& app, ConfigArguments& arguments) {
  app.add_option("--config", arguments.file, "YAML file that describes the run")->type_name("FILE");
  app.add_option("--set", arguments.overrides,
                 "Override one key of the config; the value is YAML. May be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
}

void add_all(CLI::App& program) {
  add_capture(program);
  add_download(program);
  add_pull(program);
  add_push(program);
  add_inspect(program);
  add_plan(program);
  add_report(program);
  add_verify(program);
  program.require_subcommand(0, 1);
}

}  // namespace qk::commands
