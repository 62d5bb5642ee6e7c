// What the arguments print.
#include "base/files.h"
#include "tests/e2e/workspace.h"

namespace qk::e2e {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;

class CommandLine : public Workspace {
 protected:
  std::string printed(const Arguments& arguments) const {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_THAT(outcome.err, IsEmpty());
    return outcome.out;
  }

  void expect_round_trip(const Arguments& arguments) const {
    const std::string config = printed(with_flag(arguments, "--print-config"));
    write("printed.yaml", config);
    EXPECT_EQ(printed({"--config", "printed.yaml", "--print-config"}), config);
  }
};

TEST_F(CommandLine, HelpShowsExamplesAndExitCodes) {
  const std::string help = printed({"--help"});
  for (const char* text : {"--config", "--set", "--replace", "--print-config",
                           "Examples:", "Exit codes:", "130 interrupted"})
    EXPECT_THAT(help, HasSubstr(text));
}

TEST_F(CommandLine, VersionIsOneLine) {
  EXPECT_THAT(printed({"--version"}), MatchesRegex("sniff-qk [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST_F(CommandLine, ConfigReferenceIsThePageInDocs) {
  EXPECT_EQ(printed({"--config-reference"}), read_file(in_repository("docs/config.md")));
}

TEST_F(CommandLine, CaptureIsTheDefaultCommand) {
  const Arguments arguments = {"--config", "tiny.yaml", "--print-config"};
  EXPECT_EQ(printed({"capture", "--config", "tiny.yaml", "--print-config"}), printed(arguments));
}

TEST_F(CommandLine, PrintedConfigPrintsItselfAgain) {
  for (const auto& entry : fs::recursive_directory_iterator(in_repository("configs"))) {
    SCOPED_TRACE(entry.path());
    if (entry.path().extension() == ".yaml") expect_round_trip({"--config", entry.path()});
  }
}

TEST_F(CommandLine, PrintedConfigKeepsTextThatLooksLikeSomethingElse) {
  write("odd.yaml", R"(
dataset: {path: "a: b #c", name: "no", split: "1e5", text_column: "1:30", id_column: "~"}
model:
  name: "010"
  config_overrides: {scaling: {factor: 1.0e-7, type: "null", empty: "", lines: "a\nb"}, list: [1, "true", null]}
output: {data_root: "日本 'x' \"y\"", memory_budget: 3GB}
)");
  expect_round_trip({"--config", "odd.yaml"});
  const std::string config = printed({"--config", "odd.yaml", "--print-config"});
  EXPECT_THAT(config, HasSubstr("name: \"010\""));
  EXPECT_THAT(config, HasSubstr("id_column: \"~\""));
}

TEST_F(CommandLine, PrintedConfigGivesTheSameCapture) {
  ASSERT_EQ(run(tiny()).exit_code, 0);
  write("printed.yaml", printed(with_flag(tiny(), "--print-config")));
  const Outcome again = run({"--config", "printed.yaml"});
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_THAT(again.err, HasSubstr("nothing to do"));
}

TEST_F(CommandLine, PrintConfigCapturesNothing) {
  run(with_flag(tiny(), "--print-config"));
  EXPECT_FALSE(fs::exists(path("data")));
}

TEST_F(CommandLine, LaterOverrideWins) {
  const std::string config = printed(
      with_flag(tiny({"tokenizer.max_length=7", "tokenizer.max_length=9"}), "--print-config"));
  EXPECT_THAT(config, HasSubstr("max_length: 9"));
}

TEST_F(CommandLine, QuietPrintsNothing) {
  EXPECT_THAT(printed(with_flag(tiny(), "--quiet")), IsEmpty());
  EXPECT_THAT(printed(with_flag(tiny(), "--quiet")), IsEmpty()) << "when there is nothing to do";
}

}  // namespace
}  // namespace qk::e2e
