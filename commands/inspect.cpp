#include <fmt/format.h>
#include <unistd.h>

#include <memory>

#include "commands/commands.h"
#include "report/inspection.h"

namespace qk::commands {
namespace {

struct Arguments {
  std::string data_root, head;
  bool json = false;
};

void print(const nlohmann::ordered_json& json) {
  fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

void inspect_head(const report::Capture& capture, const Arguments& arguments) {
  const report::HeadFile& head = capture.head(arguments.head);
  const report::HeadStatistics statistics =
      report::head_statistics(head, capture.finished.layout.head_dim);
  if (arguments.json) {
    print(report::head_json(head, statistics));
  } else {
    fmt::print("{}", report::head_text(capture, head, statistics));
  }
}

void inspect(const Arguments& arguments) {
  const report::Capture capture = report::open_capture(arguments.data_root);
  if (!arguments.head.empty()) {
    inspect_head(capture, arguments);
    return;
  }
  const report::Inspection inspection = report::inspect(capture, show_heads_done("reading"));
  if (arguments.json) {
    print(report::inspection_json(capture, inspection));
  } else {
    fmt::print("{}", report::inspection_text(capture, inspection));
  }
}

}  // namespace

std::function<void(int64_t done, int64_t all)> show_heads_done(std::string what) {
  const bool terminal = isatty(STDERR_FILENO) != 0;
  return [what = std::move(what), terminal](int64_t done, int64_t all) {
    if (!terminal) return;
    fmt::print(stderr, "\r{} {}/{}\033[K", what, done, all);
    if (done == all) fmt::print(stderr, "\r\033[K");
  };
}

void add_inspect(CLI::App& program) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* command = program.add_subcommand(
      "inspect", "Tables of a finished capture: coverage, norms, and what is odd about the data");
  command->add_option("DATA_ROOT", arguments->data_root, "Folder of the capture")->required();
  command->add_option("CONFIG", arguments->head, "Only this head, in more detail: l00h02q");
  command->add_flag("--json", arguments->json, "JSON instead of tables");
  command->callback([arguments] { inspect(*arguments); });
}

}  // namespace qk::commands
