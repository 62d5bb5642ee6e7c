#include "sniffer/plan.h"

#include <fmt/format.h>

#include <limits>
#include <memory>

#include "commands/commands.h"

namespace qk::commands {
namespace {

struct Arguments {
  ConfigArguments config;
  bool json = false, exact = false, no_calibration = false;
};

void plan(const Arguments& arguments) {
  sniffer::PlanOptions options;
  if (arguments.exact) options.count_seconds = std::numeric_limits<double>::infinity();
  options.calibrate = !arguments.no_calibration;
  const sniffer::RunPlan plan = sniffer::make_plan(arguments.config.load(), options);
  if (arguments.json) {
    fmt::print("{}\n", sniffer::plan_json(plan).dump(
                           2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  } else {
    fmt::print("{}", sniffer::plan_text(plan));
  }
  sniffer::refuse_what_cannot_fit(plan);
}

}  // namespace

void add_plan(CLI::App& program) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* command = program.add_subcommand(
      "plan", "What a run will cost: heads, documents, rows, bytes, memory, time; runs no model");
  add_config_options(*command, arguments->config);
  command->add_flag("--json", arguments->json, "JSON instead of text");
  command->add_flag("--exact", arguments->exact,
                    "Tokenize all documents, however long it takes (otherwise about 20 s)");
  command->add_flag("--no-calibration", arguments->no_calibration,
                    "Don't measure this machine's speed; no time is estimated");
  command->callback([arguments] { plan(*arguments); });
}

}  // namespace qk::commands
