#include <fmt/format.h>

#include <cstdio>

#include <memory>

#include "base/error.h"
#include "base/log.h"
#include "commands/commands.h"
#include "parallel/job.h"
#include "sniffer/pipeline.h"
#include "sniffer/pipeline_push.h"

namespace qk::commands {
namespace {

struct Arguments {
  ConfigArguments config;
  bool print_config = false, config_reference = false, quiet = false, replace = false;
  bool no_push = false;
  bool watch = false;
  std::string metrics;
};

void capture(const Arguments& arguments, const sniffer::SniffConfig& config, parallel::Job& job) {
  const bool first = job.rank() == 0;  // speaks for all
  const bool quiet = arguments.quiet || !first;
  if (quiet) log::set_level(log::Level::Warn);
  if (config.inference.debug_logging) log::set_level(log::Level::Debug);
  const std::atomic<bool>* stop = stop_on_signals();
  const bool with_push = first && config.output.hf_repo_id && !arguments.no_push;
  if (with_push) sniffer::check_push(config.output);  // before the work, not after it
  sniffer::Monitor monitor(
      {.watch = arguments.watch && !quiet, .metrics = first ? arguments.metrics : ""});
  const sniffer::RunReport report = run_sniff(config,
                                              {.replace = arguments.replace,
                                               .quiet = quiet || monitor.watching(),
                                               .version = QK_VERSION,
                                               .stop = stop,
                                               .monitor = &monitor},
                                              job);
  if (!report.already_finished) monitor.finish(report.stages);
  if (!quiet) fmt::print(stderr, "{}", summary(report, config.output.data_root));
  if (with_push) push(config, stop);
}

/// A rank that can't go on ends the job: the others would wait for it.
void capture(const Arguments& arguments) {
  const std::unique_ptr<parallel::Job> job = parallel::join_job();
  if (job->size() == 1) return capture(arguments, arguments.config.load(), *job);
  const std::string speaker = fmt::format("rank {} ({}): ", job->rank(), job->host());
  log::set_speaker(speaker);
  const auto end = [&](ExitCode code, const char* message) {
    fmt::print(stderr, "sniff-qk: {}{}\n", speaker, message);
    std::fflush(stderr);
    job->abort(static_cast<int>(code));
  };
  try {
    capture(arguments, arguments.config.load(), *job);
  } catch (const Error& error) {
    end(error.code(), error.what());
  } catch (const std::exception& error) {
    end(ExitCode::Internal, error.what());
  }
}

}  // namespace

void add_capture(CLI::App& program) {
  const auto arguments = std::make_shared<Arguments>();
  add_config_options(program, arguments->config);
  program.add_flag("--replace", arguments->replace,
                   "Start anew where output.data_root holds another capture");
  program.add_flag("--no-push", arguments->no_push,
                   "Capture only, even if output.hf_repo_id names a repository");
  program.add_flag("--quiet", arguments->quiet,
                   "No progress, no summary; warnings and errors only");
  program.add_flag("--watch", arguments->watch,
                   "A live view of rates, queue, memory and rows instead of the progress line");
  program
      .add_option("--metrics", arguments->metrics,
                  "Append the numbers of the run to this file, a line of JSON every two seconds")
      ->type_name("FILE");
  program.add_flag("--print-config", arguments->print_config,
                   "Print the effective config as YAML and stop");
  program.add_flag("--config-reference", arguments->config_reference,
                   "Print docs/config.md and stop");
  const CLI::App* command =
      program
          .add_subcommand("capture",
                          "Run a model over a dataset and keep queries and keys (the default)")
          ->fallthrough();
  program.final_callback([&program, command, arguments] {
    if (program.get_subcommands().empty() || *command) {
      if (arguments->config_reference) {
        fmt::print("{}", sniffer::config_reference());
      } else if (arguments->print_config) {
        fmt::print("{}", sniffer::print_config(arguments->config.load()));
      } else {
        capture(*arguments);
      }
    }
  });
}

}  // namespace qk::commands
