// sniff-qk plan: what it says, and what it doesn't do.
#include <nlohmann/json.hpp>

#include "tests/e2e/workspace.h"

namespace qk::e2e {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

class Plan : public Workspace {
 protected:
  Arguments plan(const std::vector<std::string>& more = {}) const {
    Arguments arguments = {"plan", "--config", "tiny.yaml"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
};

TEST_F(Plan, TellsModelHeadsDocumentsRowsAndCostAndLeavesNothingBehind) {
  const Outcome outcome = run(plan());
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  for (const char* text :
       {"(llama)", "none, full attention everywhere", "exactly those that the run will draw",
        "bucket 0", "free on", "TFLOP", "of forward passes"})
    EXPECT_THAT(outcome.out, HasSubstr(text));
  EXPECT_FALSE(fs::exists(path("data")));
}

TEST_F(Plan, JsonHoldsTheSameAndNoTimeWithoutCalibration) {
  const Outcome outcome = run(plan({"--json", "--no-calibration"}));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json.at("documents").at("all"), 3);
  EXPECT_TRUE(json.at("documents").at("exact").get<bool>());
  EXPECT_GT(json.at("disk").at("files_bytes").get<double>(), 0);
  EXPECT_TRUE(json.at("time").is_null());
}

TEST_F(Plan, TellsHowManyProcessesThereWillBe) {
  const Arguments two = {"--set", "inference.processes=2", "--no-calibration"};
  const Outcome text = run(plan(two));
  ASSERT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("2 processes on cpu"));
  const Outcome json = run(plan(with_flag(two, "--json")));
  EXPECT_EQ(nlohmann::json::parse(json.out).at("processes"), nlohmann::json({"cpu", "cpu"}));
  EXPECT_EQ(nlohmann::json::parse(json.out).at("parallel"), "documents");
}

TEST_F(Plan, ErrorsAreThoseOfTheRun) {
  const Outcome layer = run(plan({"--set", "capture.layers=[99]"}));
  EXPECT_EQ(layer.exit_code, 2);
  EXPECT_THAT(layer.err, HasSubstr("capture.layers"));
  const Outcome dataset = run(plan({"--set", "dataset.path=missing.jsonl"}));
  EXPECT_EQ(dataset.exit_code, 7);
  EXPECT_THAT(dataset.out, Not(HasSubstr("Cost")));
  EXPECT_EQ(run({"plan"}).exit_code, 2);
}

}  // namespace
}  // namespace qk::e2e
