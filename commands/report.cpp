#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <system_error>

#include "base/error.h"
#include "base/files.h"
#include "commands/commands.h"
#include "report/page.h"

namespace qk::commands {
namespace {

struct Arguments {
  std::string data_root, file;
};

/// "data/sample" -> "sample-report.html", in the working directory: data_root holds a capture and
/// nothing else.
std::string default_file(const std::string& data_root) {
  const auto folder = std::filesystem::absolute(data_root).lexically_normal();
  const auto name = folder.has_filename() ? folder.filename() : folder.parent_path().filename();
  return name.string() + "-report.html";
}

void report(const Arguments& arguments) {
  const qk::report::Capture capture = qk::report::open_capture(arguments.data_root);
  const std::string page = qk::report::report_page(capture, show_heads_done("reading"));
  const std::string file =
      arguments.file.empty() ? default_file(arguments.data_root) : arguments.file;
  try {
    write_file_atomically(file, page);
  } catch (const std::system_error& error) {
    throw OutputError("{}; choose another file with -o", error.what());
  }
  fmt::print("{}\n", file);
}

}  // namespace

void add_report(CLI::App& program) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* command = program.add_subcommand(
      "report", "One HTML file with charts of a finished capture, to be opened in a browser");
  command->add_option("DATA_ROOT", arguments->data_root, "Folder of the capture")->required();
  command->add_option("-o,--output", arguments->file, "The file; without it NAME-report.html here")
      ->type_name("FILE");
  command->callback([arguments] { report(*arguments); });
}

}  // namespace qk::commands
