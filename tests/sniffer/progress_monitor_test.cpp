#include "sniffer/progress_monitor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"
#include "base/files.h"
#include "tests/base/temporary_folder.h"

namespace qk::sniffer {
namespace {

using testing::HasSubstr;

ProgressState state() {
  ProgressState state;
  state.documents = 312;
  state.documents_total = 500;
  state.tokens = 40'100'000;
  state.rows = 1'200'000;
  state.fraction = 0.624;
  state.seconds_text = 2;
  state.seconds_forward = 95;
  state.seconds_writing = 3;
  return state;
}

TEST(WatchText, ShowsEveryStage) {
  const Snapshot snapshot{.state = state(),
                          .seconds = 100,
                          .tokens_per_second = 9712,
                          .tokens_per_second_mean = 9500,
                          .seconds_left = 205,
                          .queue = 0.4,
                          .memory_bytes = 1'200'000'000,
                          .gpu = GpuUse{0.97, 61'000'000'000, 150'000'000'000},
                          .rows_per_bucket = {{0, 600'000}, {1, 300'000}}};
  const std::string text = watch_text(snapshot, 100);
  for (const char* part :
       {" 62 %  3:25 left", "312 of 500 documents", "9,712/s now, 9,500/s since the start",
        "text 2 %, model 95 %, disk 3 %", " 40 %", "GPU 97 % busy, 61.0 GB of 150.0 GB",
        "bucket 0     ######################## 0.6M", "bucket 1     ############ "})
    EXPECT_THAT(text, HasSubstr(part));
}

TEST(WatchText, NoLineIsLongerThanTheTerminal) {
  Snapshot snapshot;
  snapshot.state = state();
  std::istringstream lines(watch_text(snapshot, 20));
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 20u) << line;
}

TEST(WatchText, ManyBucketsAreCutShort) {
  Snapshot snapshot;
  snapshot.state = state();
  for (int32_t bucket = 0; bucket < 100; ++bucket) snapshot.rows_per_bucket[bucket] = 5;
  EXPECT_THAT(watch_text(snapshot, 100), HasSubstr("and 92 more buckets"));
}

TEST(Monitor, WritesALineAtTheStartAndOneAtTheEnd) {
  const tests::TemporaryFolder folder;
  const auto file = folder.path() / "metrics.jsonl";
  {
    Monitor monitor({.watch = false, .metrics = file, .metrics_interval = std::chrono::hours(1)});
    EXPECT_FALSE(monitor.watching());
    const std::vector<int32_t> buckets = {0, 0, 1};
    monitor.update(state(), buckets, 4, 0.25);
    monitor.update(state(), buckets, 2, 0.5);
    monitor.finish(state());
  }
  std::istringstream lines(read_file(file));
  std::vector<nlohmann::json> found;
  for (std::string line; std::getline(lines, line);) found.push_back(nlohmann::json::parse(line));
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].at("queue"), 0.25);
  EXPECT_EQ(found[0].at("rows_per_bucket"), (nlohmann::json{{"0", 8}, {"1", 4}}));
  EXPECT_EQ(found[0].at("documents_total"), 500);
  EXPECT_FALSE(found[0].at("finished").get<bool>());
  EXPECT_EQ(found[1].at("rows_per_bucket"), (nlohmann::json{{"0", 12}, {"1", 6}}));
  EXPECT_TRUE(found[1].at("finished").get<bool>());
  EXPECT_GT(found[1].at("memory_bytes").get<int64_t>(), 0);
}

TEST(Monitor, SaysWhenItsFileCantBeOpened) {
  const tests::TemporaryFolder folder;
  EXPECT_THROW(Monitor({.watch = false, .metrics = folder.path() / "no" / "file"}), OutputError);
}

}  // namespace
}  // namespace qk::sniffer
