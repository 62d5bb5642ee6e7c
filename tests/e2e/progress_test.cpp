// The progress shown while a run goes.
#include <signal.h>

#include <regex>

#include "base/files.h"
#include "tests/e2e/workspace.h"

namespace qk::e2e {
namespace {

using testing::HasSubstr;
using testing::Not;

class Progress : public Workspace {};

/// The documents done of each progress line and the time left that it names.
std::vector<std::pair<int, std::string>> times_left(const std::string& text) {
  static const std::regex kLine(R"((\d+)(?:/\d+)? documents [^\r\n]*?  ([\d:.]+(?: s)?) left)");
  std::vector<std::pair<int, std::string>> found;
  for (std::sregex_iterator line(text.begin(), text.end(), kLine), end; line != end; ++line)
    found.emplace_back(std::stoi((*line)[1]), (*line)[2]);
  return found;
}

TEST_F(Progress, IsPlainLinesWhereStderrIsNoTerminal) {
  const std::string texts = read_file(path("sample/texts.jsonl"));
  std::string many;
  for (int i = 0; i < 100; ++i) many += texts;
  write("many.jsonl", many);
  Program program(sample({"dataset.path=many.jsonl"}), folder_.path());
  program.wait_for(" documents  ");
  program.send(SIGINT);
  const Outcome outcome = program.wait();
  EXPECT_EQ(outcome.exit_code, 130);
  EXPECT_THAT(outcome.err, testing::ContainsRegex("[0-9]+ tokens  [^\n]* tok/s  [^\n]* rows"));
  EXPECT_THAT(outcome.err, HasSubstr("limited by the model\n"));
  EXPECT_THAT(outcome.err, Not(HasSubstr("\r")));
  EXPECT_THAT(outcome.err, Not(HasSubstr("\033")));
}

TEST_F(Progress, IsRedrawnInPlaceOnATerminal) {
  Program program(sample(), folder_.path(), Stderr::Terminal);
  const Outcome outcome = program.wait();
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("\r"));
  EXPECT_THAT(outcome.err, testing::ContainsRegex("[0-9]+ documents  [0-9,]+ tokens"));
  EXPECT_THAT(outcome.err, HasSubstr("\r\033[K42 documents (")) << "the summary is on its own line";
}

TEST_F(Progress, DoesNotPromiseAnEarlyEnd) {
  Program program(sample(), folder_.path(), Stderr::Terminal);
  const Outcome outcome = program.wait();
  const auto lines = times_left(outcome.err);
  ASSERT_FALSE(lines.empty()) << outcome.err;
  for (const auto& [documents, left] : lines) {
    if (documents >= 30) continue;
    EXPECT_NE(left, "0.0 s") << "after " << documents << " of 42 documents";
  }
}

}  // namespace
}  // namespace qk::e2e
