// sniff-qk: arguments -> config -> run; exceptions -> exit codes. Nothing else.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>

#include "base/error.h"
#include "base/log.h"
#include "sniffer/config.h"
#include "sniffer/pipeline.h"

namespace {

using qk::ExitCode;

std::atomic<bool> stop_requested{false};

/// The first signal stops at the next layer and keeps what was captured; the second ends the
/// process at once.
void on_signal(int signal) {
  if (stop_requested.exchange(true)) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
}

struct Arguments {
  std::string config_file;
  std::vector<std::string> overrides;
  bool print_config = false, config_reference = false, quiet = false, replace = false;
};

constexpr const char* kFooter = R"(
Examples:
  sniff-qk --config configs/sample.yaml
  sniff-qk --config run.yaml --set capture.sampler.type=all --set 'capture.layers=[0, 5]'
  sniff-qk --config run.yaml --print-config

A run that was cut off (Ctrl-C, crash, full disk) goes on where it was when the same command is
given again. docs/config.md lists every key of the config.

Exit codes: 0 done, 2 config or arguments, 3 model checkpoint, 4 tokenizer, 5 Hub, 6 output,
7 dataset, 70 a bug of sniff-qk, 130 interrupted.)";

void define(CLI::App& app, Arguments& arguments) {
  app.footer(kFooter);
  app.set_version_flag("--version", "sniff-qk " QK_VERSION);
  app.add_option("--config", arguments.config_file, "YAML file that describes the run")
      ->type_name("FILE");
  app.add_option("--set", arguments.overrides,
                 "Override one key of the config; the value is YAML. May be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app.add_flag("--replace", arguments.replace,
               "Start anew where output.data_root holds another capture");
  app.add_flag("--quiet", arguments.quiet, "No progress, no summary; warnings and errors only");
  app.add_flag("--print-config", arguments.print_config,
               "Print the effective config as YAML and stop");
  app.add_flag("--config-reference", arguments.config_reference, "Print docs/config.md and stop");
  app.add_subcommand("capture",
                     "Run a model over a dataset and keep queries and keys (the default)")
      ->fallthrough();
  app.require_subcommand(0, 1);
}

void capture(const Arguments& arguments) {
  if (arguments.config_file.empty())
    throw qk::ConfigError("--config FILE is missing; see sniff-qk --help");
  const auto config = qk::sniffer::load_config(arguments.config_file, arguments.overrides);
  if (arguments.print_config) {
    fmt::print("{}", qk::sniffer::print_config(config));
    return;
  }
  if (arguments.quiet) qk::log::set_level(qk::log::Level::Warn);
  if (config.inference.debug_logging) qk::log::set_level(qk::log::Level::Debug);
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  const auto report = qk::sniffer::run_sniff(config, {.replace = arguments.replace,
                                                      .quiet = arguments.quiet,
                                                      .version = QK_VERSION,
                                                      .stop = &stop_requested});
  if (!arguments.quiet)
    fmt::print(stderr, "{}", qk::sniffer::summary(report, config.output.data_root));
}

int fail(ExitCode code, const std::string& message) {
  fmt::print(stderr, "sniff-qk: {}\n", message);
  return static_cast<int>(code);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Captures attention queries and keys of Hugging Face decoder models as a Parquet dataset.");
  Arguments arguments;
  define(app, arguments);
  try {
    app.parse(argc, argv);
    if (arguments.config_reference) {
      fmt::print("{}", qk::sniffer::config_reference());
    } else {
      capture(arguments);
    }
    return 0;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(ExitCode::Config);
  } catch (const qk::Error& error) {
    return fail(error.code(), error.what());
  } catch (const std::exception& error) {
    return fail(ExitCode::Internal, fmt::format("internal error: {}", error.what()));
  }
}
