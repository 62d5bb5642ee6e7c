// sniff-qk inspect: tables and JSON of a capture.
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "tests/e2e/workspace.h"

namespace qk::e2e {
namespace {

using testing::HasSubstr;

class Inspect : public Workspace {};

TEST_F(Inspect, AddsUpToWhatTheRunWrote) {
  ASSERT_EQ(run(tiny()).exit_code, 0);
  const Outcome outcome = run({"inspect", "data/tiny", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto found = nlohmann::json::parse(outcome.out);
  const auto written = nlohmann::json::parse(read_file(path("data/tiny/run.json")));
  std::map<std::string, int64_t> buckets;
  int64_t rows = 0;
  for (const auto& head : found.at("heads")) {
    rows += head.at("rows").get<int64_t>();
    for (const auto& bucket : head.at("buckets"))
      buckets[std::to_string(bucket.at("bucket").get<int>())] += bucket.at("rows").get<int64_t>();
  }
  EXPECT_EQ(rows, written.at("counts").at("rows"));
  EXPECT_EQ(nlohmann::json(buckets), written.at("rows_per_bucket"));
  EXPECT_TRUE(found.at("flags").empty()) << found.at("flags");
}

TEST_F(Inspect, ShowsTablesOfACaptureAndOfAHead) {
  ASSERT_EQ(run(tiny()).exit_code, 0);
  const Outcome whole = run({"inspect", "data/tiny"});
  EXPECT_EQ(whole.exit_code, 0);
  EXPECT_THAT(whole.out, HasSubstr("golden/llama/model (llama)"));
  EXPECT_THAT(whole.out, HasSubstr("Nothing odd"));
  const Outcome head = run({"inspect", "data/tiny", "l00h00q"});
  EXPECT_EQ(head.exit_code, 0);
  EXPECT_THAT(head.out, HasSubstr("l00h00q: layer 0, query head 0, full attention"));
}

TEST_F(Inspect, NamesWhatThereIsWhenAskedForWhatThereIsNot) {
  ASSERT_EQ(run(tiny()).exit_code, 0);
  const Outcome head = run({"inspect", "data/tiny", "l99h00q"});
  EXPECT_EQ(head.exit_code, 6);
  EXPECT_THAT(head.err, HasSubstr("no 'l99h00q' in this capture; it has l00h00q"));
  const Outcome folder = run({"inspect", "data"});
  EXPECT_EQ(folder.exit_code, 6);
  EXPECT_THAT(folder.err, HasSubstr("no run.json"));
}

}  // namespace
}  // namespace qk::e2e
