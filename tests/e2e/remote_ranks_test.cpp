// Ranks that do not see rank 0's data_root: their working folder is another, or what is mounted.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "tests/base/private_mounts.h"
#include "tests/e2e/mpi_ranks.h"

namespace qk::e2e {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class RemoteRanks : public MpiRanks {
 protected:
  RemoteRanks() {
    fs::create_directories(path("elsewhere"));
    for (const char* name : {"sample", "golden"})
      fs::create_symlink(path(name), path("elsewhere") / name);
  }

  Arguments remote_ranks(int count, const std::string& data_root) const {
    Arguments words = ranks(count, capture(data_root));
    words.insert(words.begin(), {"-wdir", path("elsewhere").string()});
    return words;
  }

  /// Rank 1 of two is remote.
  Arguments pair(const std::string& data_root) const {
    return mpirun(ranks(1, capture(data_root)), {remote_ranks(1, data_root)});
  }

  void expect_nothing_elsewhere() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(path("elsewhere")))
      names.push_back(entry.path().filename().string());
    EXPECT_THAT(names, testing::UnorderedElementsAre("sample", "golden"));
  }

  /// Ends a rank of a pair once rank 0 has rows of rank 1.
  void kill_midway(const std::string& data_root, size_t rank) const {
    Program job = start(pair(data_root));
    job.wait_for("batch 1:");
    const fs::path lane = path(data_root) / ".sniff/rows-0001-0000.spool";
    constexpr int kTries = 6000;
    std::error_code missing;
    for (int i = 0; i < kTries && (!fs::exists(lane) || fs::file_size(lane, missing) == 0); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    ASSERT_EQ(::kill(ranks_of(job).at(rank), SIGKILL), 0);
    const Outcome cut = job.wait();
    EXPECT_NE(cut.exit_code, 0);
    EXPECT_THAT(cut.err + cut.out, HasSubstr("signal 9"));
    EXPECT_FALSE(fs::exists(path(data_root) / "run.json"));
    EXPECT_GT(fs::file_size(lane), 0U);
  }

  void expect_goes_on(const Arguments& words, const std::string& data_root,
                      const Hashes& expected) const {
    const Outcome resumed = run_command(words);
    ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
    EXPECT_THAT(resumed.err, HasSubstr("resuming: "));
    EXPECT_EQ(captured_files(path(data_root)), expected);
    EXPECT_FALSE(fs::exists(path(data_root) / ".sniff"));
    expect_nothing_elsewhere();
  }

  Arguments alone(const std::string& data_root) const {
    Arguments words = capture(data_root);
    words.insert(words.begin(), QK_BINARY);
    return words;
  }
};

int64_t count_of(const std::string& part, const std::string& text) {
  int64_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST_F(RemoteRanks, EndInTheBytesOfOneProcess) {
  const Hashes expected = by_one_process();
  const std::vector<Arguments> jobs = {
      pair("data/r"),
      mpirun(ranks(1, capture("data/r")), {remote_ranks(1, "data/r"), ranks(1, capture("data/r"))}),
      mpirun(ranks(1, capture("data/r", {"output.writer_threads=3"})),
             {remote_ranks(2, "data/r")})};
  for (const Arguments& job : jobs) {
    const Outcome outcome = run_command(job);
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("24 documents"));
    EXPECT_EQ(count_of("not see data/r: what ", outcome.err), 1) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("sent to rank 0"));
    EXPECT_EQ(captured_files(path("data/r")), expected);
    EXPECT_FALSE(fs::exists(path("data/r/.sniff")));
    expect_nothing_elsewhere();
    fs::remove_all(path("data/r"));
  }
}

TEST_F(RemoteRanks, ThatAreKilledHaveLostNothingThatRank0Had) {
  const Hashes expected = by_one_process();
  kill_midway("data/alone", 1);
  expect_goes_on(alone("data/alone"), "data/alone", expected);
  kill_midway("data/pair", 1);
  expect_goes_on(pair("data/pair"), "data/pair", expected);
}

TEST_F(RemoteRanks, EndWithRank0AndGoOnWithTheNext) {
  const Hashes expected = by_one_process();
  kill_midway("data/r", 0);
  expect_goes_on(pair("data/r"), "data/r", expected);
}

TEST_F(RemoteRanks, MayHaveAnotherMountInItsPlace) {
  const Hashes expected = by_one_process();
  const Arguments view = {QK_ELSEWHERE, path("data").string(), path("elsewhere").string()};
  Arguments probe = view;
  probe.emplace_back("/bin/true");
  if (run_command(probe).exit_code == 77) GTEST_SKIP() << tests::kNeedsPrivateMounts;
  const std::string data_root = path("data/r").string();
  Arguments remote = ranks(1, capture(data_root));
  remote.insert(remote.begin() + 2, view.begin(), view.end());
  const Outcome outcome = run_command(mpirun(ranks(1, capture(data_root)), {remote}));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("does not see " + data_root));
  EXPECT_EQ(captured_files(data_root), expected);
  expect_nothing_elsewhere();
}

}  // namespace
}  // namespace qk::e2e
