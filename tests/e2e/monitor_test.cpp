// --watch and --metrics: the numbers of a run under way.
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/files.h"
#include "tests/e2e/workspace.h"

namespace qk::e2e {
namespace {

using testing::HasSubstr;
using testing::Not;

class Monitor : public Workspace {};

TEST_F(Monitor, LastLineOfTheMetricsHasTheNumbersOfTheRun) {
  Arguments arguments = tiny();
  arguments.insert(arguments.end(), {"--metrics", "metrics.jsonl"});
  const Outcome outcome = run(arguments);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  std::istringstream lines(read_file(path("metrics.jsonl")));
  nlohmann::json last;
  for (std::string line; std::getline(lines, line);) last = nlohmann::json::parse(line);
  const auto written = nlohmann::json::parse(read_file(path("data/tiny/run.json")));
  EXPECT_TRUE(last.at("finished").get<bool>());
  EXPECT_EQ(last.at("rows"), written.at("counts").at("rows"));
  EXPECT_EQ(last.at("tokens"), written.at("counts").at("tokens"));
  EXPECT_EQ(last.at("rows_per_bucket"), written.at("rows_per_bucket"));
}

TEST_F(Monitor, WatchDrawsAViewOnATerminal) {
  Program program(with_flag(tiny(), "--watch"), folder_.path(), Stderr::Terminal);
  const Outcome outcome = program.wait();
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("rows on their way to the disk"));
  EXPECT_THAT(outcome.err, HasSubstr("100 %"));
  EXPECT_THAT(outcome.err, HasSubstr("3 documents ("));
}

TEST_F(Monitor, WatchIsTheProgressLineWhereStderrIsNoTerminal) {
  const Outcome outcome = run(with_flag(tiny(), "--watch"));
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, Not(HasSubstr("\033")));
  EXPECT_THAT(outcome.err, HasSubstr("3 documents ("));
}

}  // namespace
}  // namespace qk::e2e
