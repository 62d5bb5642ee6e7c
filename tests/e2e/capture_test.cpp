// What a run leaves behind, and that nothing but the config and its inputs decides it.
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "tests/e2e/workspace.h"

namespace qk::e2e {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;

class Capture : public Workspace {};

TEST_F(Capture, OfTheSampleLeavesDataCardRunFileAndExamples) {
  const Outcome outcome = run(sample());
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, IsEmpty());
  EXPECT_THAT(outcome.err, HasSubstr("42 documents"));
  EXPECT_THAT(outcome.err, HasSubstr("in 26 files"));

  Hashes files = all_files(path("data/sample"));
  for (const char* name : {"README.md", "run.json", "examples.parquet"})
    EXPECT_EQ(files.erase(name), 1u) << name;
  EXPECT_EQ(files.size(), 26u);
  for (const auto& [name, hash] : files)
    EXPECT_THAT(name, MatchesRegex("l[0-9]{2}h[0-9]{2}[qk]/data\\.parquet"));
}

TEST_F(Capture, RunFileHoldsTheHashOfEveryFile) {
  ASSERT_EQ(run(tiny()).exit_code, 0);
  Hashes named;
  const auto run_file = nlohmann::json::parse(read_file(path("data/tiny/run.json")));
  for (const auto& file : run_file.at("files")) named[file.at("name")] = file.at("sha256");
  Hashes there = all_files(path("data/tiny"));
  there.erase("run.json");
  EXPECT_EQ(named, there);
}

TEST_F(Capture, FilesAreTheSameForAnyBatchSizeAndNumberOfThreads) {
  const std::vector<std::string> first = {"dataset.max_samples=8", "capture.sampler.base_rate=16"};
  ASSERT_EQ(run(sample(first)).exit_code, 0);
  const Hashes expected = captured_files(path("data/sample"));
  ASSERT_EQ(expected.size(), 27u);
  const std::pair<int, int> settings[] = {{1, 1}, {3, 2}, {16, 3}, {1, 3}, {16, 1}};
  for (const auto& [batch_size, threads] : settings) {
    SCOPED_TRACE(testing::Message() << "batch_size " << batch_size << ", threads " << threads);
    std::vector<std::string> overrides = first;
    overrides.push_back("inference.batch_size=" + std::to_string(batch_size));
    overrides.push_back("inference.threads=" + std::to_string(threads));
    overrides.push_back("output.data_root=data/other");
    const Outcome outcome = run(with_flag(sample(overrides), "--replace"));
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(captured_files(path("data/other")), expected);
  }
}

TEST_F(Capture, RunAgainHasNothingToDo) {
  ASSERT_EQ(run(tiny()).exit_code, 0);
  const Hashes before = all_files(path("data/tiny"));
  const auto written = fs::last_write_time(path("data/tiny/run.json"));
  const Outcome again = run(tiny());
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_THAT(again.err, HasSubstr("nothing to do"));
  EXPECT_EQ(all_files(path("data/tiny")), before);
  EXPECT_EQ(fs::last_write_time(path("data/tiny/run.json")), written);
}

TEST_F(Capture, RunAgainWithAnotherBatchSizeHasNothingToDo) {
  ASSERT_EQ(run(tiny()).exit_code, 0);
  const Outcome again = run(tiny({"inference.batch_size=7", "inference.threads=2"}));
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_THAT(again.err, HasSubstr("nothing to do"));
}

TEST_F(Capture, RunAgainNamesAFileThatIsMissingOrCut) {
  ASSERT_EQ(run(tiny()).exit_code, 0);
  const fs::path file = path("data/tiny/l00h00q/data.parquet");
  fs::resize_file(file, fs::file_size(file) - 1);
  const auto expect_refusal = [&] {
    const Outcome outcome = run(tiny());
    EXPECT_EQ(outcome.exit_code, 6);
    EXPECT_THAT(outcome.err, HasSubstr("l00h00q/data.parquet"));
    EXPECT_THAT(outcome.err, HasSubstr("--replace"));
  };
  expect_refusal();
  fs::remove(file);
  expect_refusal();
  EXPECT_EQ(run(with_flag(tiny(), "--replace")).exit_code, 0);
  EXPECT_TRUE(fs::exists(file));
}

TEST_F(Capture, DataRootMayBeAnAbsoluteNestedPathOrALink) {
  ASSERT_EQ(run(tiny()).exit_code, 0);
  const Hashes expected = captured_files(path("data/tiny"));
  fs::create_directory(path("elsewhere"));
  fs::create_directory_symlink(path("elsewhere"), path("link"));
  for (const fs::path& root : {path("new/nested/folder"), path("link")}) {
    const Outcome outcome = run(tiny({"output.data_root=" + root.string()}));
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(captured_files(root), expected);
  }
  EXPECT_EQ(captured_files(path("elsewhere")), expected);
}

}  // namespace
}  // namespace qk::e2e
