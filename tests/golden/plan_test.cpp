// What `plan` says before a run, against what the run then writes.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "sniffer/pipeline.h"
#include "sniffer/plan.h"
#include "tests/base/temporary_folder.h"

namespace qk::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// A config of tests/data/golden, or of the sample when `folder` is empty.
struct Case {
  std::string name;
  fs::path folder, config;
  friend void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }
};

std::vector<Case> cases() {
  const fs::path repository = QK_SOURCE_DIR;
  std::vector<Case> found = {{"sample", repository, "configs/sample.yaml"}};
  for (const auto& family : fs::directory_iterator(repository / "tests/data/golden")) {
    if (!family.is_directory()) continue;
    for (const auto& file : fs::directory_iterator(family)) {
      if (file.path().extension() != ".yaml") continue;
      found.push_back({family.path().filename().string() + "_" + file.path().stem().string(),
                       family.path(), file.path().filename()});
    }
  }
  std::ranges::sort(found, {}, &Case::name);
  return found;
}

class Plan : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override { fs::current_path(GetParam().folder); }
  void TearDown() override { fs::current_path(before_); }

  sniffer::SniffConfig config(std::vector<std::string> overrides = {}) const {
    overrides.push_back("output.data_root=" + data_root_.string());
    return sniffer::load_config(GetParam().config, overrides);
  }

  const tests::TemporaryFolder folder_;
  const fs::path data_root_ = folder_.path() / "capture";
  const fs::path before_ = fs::current_path();
};

constexpr sniffer::PlanOptions kExact{.count_seconds = 1e9, .calibrate = false};

TEST_P(Plan, FitsWhatTheRunWrites) {
  const json plan = sniffer::plan_json(sniffer::make_plan(config(), kExact));
  sniffer::run_sniff(config(), {.quiet = true, .version = "test"});
  const json run = json::parse(read_file(data_root_ / "run.json"));
  const json& counts = run.at("counts");
  EXPECT_EQ(plan.at("documents").at("all"), counts.at("documents"));
  EXPECT_EQ(plan.at("documents").at("tokens"), counts.at("tokens"));
  EXPECT_EQ(plan.at("files"), counts.at("files"));
  EXPECT_EQ(plan.at("rows").at("all"), counts.at("rows"));
  for (const auto& [bucket, rows] : run.at("rows_per_bucket").items())
    EXPECT_EQ(plan.at("rows").at("buckets").at(bucket), rows) << "bucket " << bucket;
  const auto bytes = counts.at("bytes").get<double>();
  EXPECT_NEAR(plan.at("disk").at("files_bytes").get<double>(), bytes, 0.1 * bytes);
  std::map<std::string, int64_t> files;
  for (const json& file : run.at("files")) files[file.at("name")] = file.at("rows");
  for (const json& group : plan.at("heads")) {
    for (const json& head : group.at("heads")) {
      const std::string name =
          fmt::format("l{:02}h{:02}{}/data.parquet", group.at("layer").get<int>(), head.get<int>(),
                      group.at("kind").get<std::string>());
      EXPECT_EQ(group.at("rows_per_head"), files[name]) << name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, Plan, testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.name; });

class PlanOfTheSample : public Plan {};

TEST_P(PlanOfTheSample, ExpectedRowsAreNearTheDrawnOnes) {
  const sniffer::RunPlan plan = sniffer::make_plan(config(), kExact);
  const sniffer::RowCount expected =
      sniffer::count_rows(plan.config.capture, plan.layout, plan.documents, /*most_draws=*/0);
  EXPECT_TRUE(plan.rows.drawn);
  EXPECT_FALSE(expected.drawn);
  EXPECT_NEAR(expected.all, plan.rows.all, 0.03 * plan.rows.all);
  for (const auto& [bucket, rows] : expected.buckets)
    EXPECT_NEAR(plan.rows.buckets.at(bucket), rows, 0.1 * rows + 100) << "bucket " << bucket;
}

TEST_P(PlanOfTheSample, ExpectedRowsKeepToTheLimitPerDocument) {
  const sniffer::RunPlan plan =
      sniffer::make_plan(config({"capture.max_rows_per_batch=10"}), kExact);
  const sniffer::RowCount expected =
      sniffer::count_rows(plan.config.capture, plan.layout, plan.documents, /*most_draws=*/0);
  EXPECT_NEAR(expected.all, plan.rows.all, 0.02 * plan.rows.all);
}

TEST_P(PlanOfTheSample, RefusesWhatCannotFitOnTheDisk) {
  sniffer::RunPlan plan = sniffer::make_plan(config(), kExact);
  EXPECT_NO_THROW(sniffer::refuse_what_cannot_fit(plan));
  plan.disk.available = plan.disk.needed() - 1;
  EXPECT_THROW(sniffer::refuse_what_cannot_fit(plan), OutputError);
}

INSTANTIATE_TEST_SUITE_P(Cases, PlanOfTheSample,
                         testing::Values(Case{"sample", QK_SOURCE_DIR, "configs/sample.yaml"}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace qk::test
