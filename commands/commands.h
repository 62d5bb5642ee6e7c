#pragma once
/// The subcommands: arguments -> a call of the library. One file each, listed in commands.cpp.
#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "sniffer/config.h"

namespace qk::commands {

/// What every command that needs a config takes.
struct ConfigArguments {
  std::string file;
  std::vector<std::string> overrides;

  /// Throws ConfigError, also when no file was named.
  sniffer::SniffConfig load() const;
};

void add_config_options(CLI::App& app, ConfigArguments& arguments);

/// Adds the options of `capture` (the default command) to the program itself, and all subcommands.
/// Parsing runs the command that was named; its errors leave CLI::App::parse as they are.
void add_all(CLI::App& program);

void add_capture(CLI::App& program);
void add_download(CLI::App& program);
void add_pull(CLI::App& program);
void add_push(CLI::App& program);
void add_inspect(CLI::App& program);
void add_plan(CLI::App& program);
void add_report(CLI::App& program);
void add_verify(CLI::App& program);

/// Redraws "reading 12/300" on a terminal's stderr, and removes it at the end; elsewhere silent.
std::function<void(int64_t done, int64_t all)> show_heads_done(std::string what);

/// From now on Ctrl-C and SIGTERM set `flag`, or one of this process if it is null; the second of
/// them ends the process at once. flag: stays as long as the process.
const std::atomic<bool>* stop_on_signals(std::atomic<bool>* flag = nullptr);

/// Pushes a finished capture, and says what was sent. Throws what sniffer::push_capture throws.
void push(const sniffer::SniffConfig& config, const std::atomic<bool>* stop);

}  // namespace qk::commands
