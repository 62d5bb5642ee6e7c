#include "verify/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>
#include <thread>

#include "base/error.h"
#include "commands/commands.h"
#include "sniffer/progress.h"

namespace qk::commands {
namespace {

struct Arguments {
  std::string data_root, recompute;
  int threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  bool json = false, quiet = false;
};

/// "0.1%" or "0.001".
double share(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view rest(end, static_cast<size_t>(text.data() + text.size() - end));
  if (rest == "%") value /= 100;
  if (error != std::errc() || (rest != "%" && !rest.empty()) || !(value > 0 && value <= 1)) {
    throw ConfigError("--recompute {}: give a share of the documents, such as 0.1% or 0.001", text);
  }
  return value;
}

void verify(const Arguments& arguments) {
  verify::Options options;
  options.threads = arguments.threads;
  if (!arguments.recompute.empty()) options.recompute = share(arguments.recompute);
  verify::Report report;
  {
    sniffer::Progress progress(arguments.quiet);
    options.on_progress = [&](const std::string& text) { progress.show(text); };
    report = verify::verify(arguments.data_root, options);
  }
  fmt::print("{}", arguments.json ? to_json(report) : to_text(report));
  std::fflush(stdout);
  if (!report.problems.empty()) {
    throw OutputError("{}: {}", arguments.data_root,
                      report.problems.size() == 1
                          ? "one problem"
                          : fmt::format("{} problems", report.problems.size()));
  }
}

}  // namespace

void add_verify(CLI::App& program) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* command = program.add_subcommand(
      "verify", "Check a finished capture: files, hashes, rows against the sampler, vectors");
  command->add_option("DATA_ROOT", arguments->data_root, "Folder of the capture")->required();
  command
      ->add_option("--recompute", arguments->recompute,
                   "Also run the model again over this share of the documents, e.g. 0.1%")
      ->type_name("SHARE");
  command->add_option("--threads", arguments->threads, "Default: all cores")
      ->check(CLI::PositiveNumber);
  command->add_flag("--json", arguments->json, "The report as JSON");
  command->add_flag("--quiet", arguments->quiet, "No progress");
  command->callback([arguments] { verify(*arguments); });
}

}  // namespace qk::commands
