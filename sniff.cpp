// sniff-qk: arguments -> a command; exceptions -> exit codes. Nothing else.
#include <fmt/format.h>

#include <csignal>

#include "base/error.h"
#include "commands/commands.h"

namespace {

using qk::ExitCode;

constexpr const char* kFooter = R"(
Examples:
  sniff-qk --config configs/sample.yaml
  sniff-qk --config run.yaml --set capture.sampler.type=all --set 'capture.layers=[0, 5]'
  sniff-qk --config run.yaml --print-config

A run that was cut off (Ctrl-C, crash, full disk) goes on where it was when the same command is
given again. docs/config.md lists every key of the config.

Exit codes: 0 done, 2 config or arguments, 3 model checkpoint, 4 tokenizer, 5 Hub, 6 output,
7 dataset, 70 a bug of sniff-qk, 130 interrupted.)";

int fail(ExitCode code, const std::string& message) {
  fmt::print(stderr, "sniff-qk: {}\n", message);
  return static_cast<int>(code);
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGXFSZ, SIG_IGN);  // a limit on file sizes is an error like a full disk
  CLI::App app(
      "Captures attention queries and keys of Hugging Face decoder models as a Parquet dataset.");
  app.footer(kFooter);
  app.set_version_flag("--version", "sniff-qk " QK_VERSION);
  qk::commands::add_all(app);
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(ExitCode::Config);
  } catch (const qk::Error& error) {
    return fail(error.code(), error.what());
  } catch (const std::exception& error) {
    return fail(ExitCode::Internal, fmt::format("internal error: {}", error.what()));
  }
}
