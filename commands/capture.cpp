#include <fmt/format.h>

#include <cstdio>
#include <functional>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/log.h"
#include "commands/commands.h"
#include "parallel/job.h"
#include "parallel/local_team.h"
#include "sniffer/pipeline.h"
#include "sniffer/pipeline_job.h"
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

void capture(const Arguments& arguments, const sniffer::SniffConfig& config, parallel::Job& job,
             std::optional<sniffer::Parallel> parallel = {}) {
  const bool first = job.rank() == 0;  // speaks for all
  const bool quiet = arguments.quiet || !first;
  if (quiet) log::set_level(log::Level::Warn);
  if (config.inference.debug_logging) log::set_level(log::Level::Debug);
  const std::atomic<bool>* stop = stop_on_signals(job.stop_flag());
  const bool with_push = first && config.output.hf_repo_id && !arguments.no_push;
  if (with_push) sniffer::check_push(config.output);  // before the work, not after it
  sniffer::Monitor monitor(
      {.watch = arguments.watch && !quiet, .metrics = first ? arguments.metrics : ""});
  const sniffer::RunReport report = run_sniff(config,
                                              {.replace = arguments.replace,
                                               .quiet = quiet || monitor.watching(),
                                               .version = QK_VERSION,
                                               .stop = stop,
                                               .monitor = &monitor,
                                               .parallel = parallel},
                                              job);
  if (!report.already_finished) monitor.finish(report.stages);
  if (!quiet) fmt::print(stderr, "{}", summary(report, config.output.data_root));
  if (with_push) push(config, stop);
}

/// Of the ranks that read the same config, one warns about it.
sniffer::SniffConfig config_of_rank(const Arguments& arguments, const parallel::Job& job) {
  if (job.rank() != 0) log::set_level(log::Level::Off);
  return arguments.config.load();
}

/// A rank that can't go on ends the job: the others would wait for it.
void end_together(parallel::Job& job, const std::string& speaker,
                  const std::function<void()>& work) {
  if (job.size() == 1) return work();
  log::set_speaker(speaker);
  const auto end = [&](ExitCode code, const char* message) {
    if (job.tells_failure(static_cast<int>(code)))
      log::end_with(fmt::format("sniff-qk: {}{}", speaker, message));
    std::fflush(stderr);
    job.abort(static_cast<int>(code));
  };
  try {
    work();
  } catch (const Error& error) {
    end(error.code(), error.what());
  } catch (const std::exception& error) {
    end(ExitCode::Internal, error.what());
  }
}

void capture_as_rank(const Arguments& arguments, parallel::Job& job, const std::string& speaker) {
  end_together(job, speaker, [&] {
    const sniffer::SniffConfig config = config_of_rank(arguments, job);
    if (job.stop_flag() == nullptr) sniffer::check_launched(config.inference);
    capture(arguments, config, job);
  });
}

/// This process alone, or rank 0 of those that it starts.
void capture_by_itself(const Arguments& arguments) {
  const sniffer::SniffConfig config = arguments.config.load();
  if (arguments.quiet) log::set_level(log::Level::Warn);
  const sniffer::Parallel parallel = sniffer::parallel_on_host(config);
  const std::vector<std::string> devices = sniffer::devices_of_processes(config, parallel);
  if (devices.size() == 1) return capture(arguments, config, *parallel::job_alone(), parallel);
  log::info("{}", sniffer::describe_processes(devices));
  const std::unique_ptr<parallel::Job> team = parallel::start_team(devices);
  end_together(*team, "", [&] { capture(arguments, config, *team, parallel); });
}

void capture(const Arguments& arguments) {
  if (const auto team = parallel::join_team())
    return capture_as_rank(arguments, *team, fmt::format("rank {}: ", team->rank()));
  if (const auto job = parallel::join_job())
    return capture_as_rank(arguments, *job,
                           fmt::format("rank {} ({}): ", job->rank(), job->host()));
  capture_by_itself(arguments);
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
