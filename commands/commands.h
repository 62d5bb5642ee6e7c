#pragma once
/// The subcommands: arguments -> a call of the library. One file each, listed in commands.cpp.
#include <CLI/CLI.hpp>
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
void add_verify(CLI::App& program);

}  // namespace qk::commands
