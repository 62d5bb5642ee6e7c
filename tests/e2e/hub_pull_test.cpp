// A capture comes back from its branch, whole or not at all.
#include <signal.h>

#include <algorithm>
#include <cstdlib>

#include "base/files.h"
#include "tests/e2e/hub_run.h"

namespace qk::e2e {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

constexpr const char* kHead = "data/tiny/l00h00q/data.parquet";

class HubPull : public HubRun {
 protected:
  HubPull() {
    run_well(pushing());
    pushed_ = all_files(path("data/tiny"));
    run_json_ = run_json();
    hub_.control({{"do", "clear"}});
  }

  std::string pull(const char* flag = nullptr) const {
    const Arguments arguments = command("pull", pushing());
    return run_well(flag == nullptr ? arguments : with_flag(arguments, flag));
  }
  std::string error_of_pull(int exit_code) const {
    const Outcome outcome = run(command("pull", pushing()));
    EXPECT_EQ(outcome.exit_code, exit_code) << outcome.err;
    return outcome.err;
  }
  void lose_data_root() const { fs::remove_all(path("data")); }
  void expect_pulled() const { EXPECT_EQ(all_files(path("data/tiny")), pushed_); }
  int fetched() const { return hub_.count("GET /file/"); }

  Hashes pushed_;
  Json run_json_;
};

TEST_F(HubPull, ThePulledCaptureIsCompleteForTheSameConfig) {
  lose_data_root();
  pull();
  expect_pulled();
  EXPECT_THAT(run_well(pushing()), HasSubstr("nothing to do"));
  EXPECT_EQ(hub_.repo(kOut)["commits"].size(), 3u) << "created, pushed, index";
  const Outcome other = run(pushing({"tokenizer.max_length=32"}));
  EXPECT_EQ(other.exit_code, 6);
  EXPECT_THAT(other.err,
              AllOf(HasSubstr("other settings"), HasSubstr("tokenizer.max_length: 64 -> 32")));
}

TEST_F(HubPull, WhatIsThereAndRightIsNotFetchedAgain) {
  EXPECT_THAT(pull(), HasSubstr("(0 files fetched, "));
  EXPECT_EQ(fetched(), 0);
  fs::remove(path(kHead));
  std::string damaged = read_file(path("data/tiny/l01h00q/data.parquet"));
  damaged[damaged.size() / 2] ^= 1;
  write("data/tiny/l01h00q/data.parquet", damaged);
  EXPECT_THAT(pull(), HasSubstr("(2 files fetched, "));
  EXPECT_EQ(fetched(), 2);
  expect_pulled();
}

TEST_F(HubPull, CutOffItShowsNothingAndGoesOn) {
  for (const int signal : {SIGKILL, SIGINT}) {
    lose_data_root();
    hub_.control({{"do", "clear"}});
    hub_.hold("GET /file/", {{"skip", 5}});
    const Outcome cut = run_until_held(command("pull", pushing()), signal);
    if (signal == SIGINT) {
      EXPECT_EQ(cut.exit_code, 130);
      EXPECT_THAT(cut.err, HasSubstr("the same command goes on from there"));
    }
    for (const auto& [name, hash] : all_files(path("data/tiny")))
      EXPECT_TRUE(name.starts_with(".sniff/")) << name;
    const Outcome capture = run(pushing());
    EXPECT_EQ(capture.exit_code, 6);
    EXPECT_THAT(capture.err,
                AllOf(HasSubstr("org/captures, branch run-1"), HasSubstr("sniff-qk pull")));

    const auto whole = [](const auto& item) { return item.first.ends_with(".parquet"); };
    const auto there = std::ranges::count_if(all_files(path("data/tiny")), whole);
    hub_.control({{"do", "clear"}});
    pull();
    expect_pulled();
    EXPECT_LE(fetched(), std::ranges::count_if(pushed_, whole) - there);
  }
}

TEST_F(HubPull, CutOffItMakesRoomForACaptureThatReplaces) {
  lose_data_root();
  hub_.hold("GET /file/", {{"skip", 5}});
  run_until_held(command("pull", pushing()), SIGKILL);
  run_well(with_flag(tiny(), "--replace"));
  EXPECT_EQ(captured_files(path("data/tiny")).size(), pushed_.size() - 2);
  EXPECT_FALSE(fs::exists(path("data/tiny/.sniff")));
}

TEST_F(HubPull, FullDiskIsSaidAndGoneOnFromLater) {
  lose_data_root();
  ::setenv("QK_FAULT", "fail ENOSPC 20000", 1);
  Program program(command("pull", pushing()), folder_.path(), Stderr::Pipe, QK_FAULTS_BINARY);
  ::unsetenv("QK_FAULT");
  const Outcome full = program.wait();
  EXPECT_EQ(full.exit_code, 5);
  EXPECT_THAT(full.err, AllOf(HasSubstr("no disk space left"), HasSubstr("output.data_root")));
  pull();
  expect_pulled();
}

TEST_F(HubPull, OtherCapturesAndForeignFilesStay) {
  run_well(with_flag(tiny({"capture.layers=[0]"}), "--replace"));
  const Hashes other = all_files(path("data/tiny"));
  EXPECT_THAT(error_of_pull(6), AllOf(HasSubstr("another capture"), HasSubstr("--replace")));
  EXPECT_EQ(all_files(path("data/tiny")), other);
  pull("--replace");
  expect_pulled();

  lose_data_root();
  write("data/tiny/thesis.txt", "mine");
  EXPECT_THAT(error_of_pull(6), HasSubstr("thesis.txt"));
  EXPECT_EQ(all_files(path("data/tiny")).size(), 1u);
}

TEST_F(HubPull, ACaptureUnderWayStays) {
  lose_data_root();
  hub_.hold("GET /file/");
  Program first(command("pull", pushing()), folder_.path());
  hub_.wait_until_held();
  EXPECT_THAT(error_of_pull(6), HasSubstr("another run writes there"));
  EXPECT_EQ(run(pushing()).exit_code, 6);
  hub_.release();
  EXPECT_EQ(first.wait().exit_code, 0);
  expect_pulled();
}

TEST_F(HubPull, CardsMayBeEditedHereAndThere) {
  hub_.add(kOut, {{"README.md", "# edited on the Hub"}, {"figure.svg", "<svg/>"}}, "run-1");
  lose_data_root();
  EXPECT_THAT(pull(), HasSubstr("1 files of the branch belong to no capture"));
  EXPECT_EQ(read_file(path("data/tiny/README.md")), "# edited on the Hub");
  EXPECT_FALSE(fs::exists(path("data/tiny/figure.svg")));
  EXPECT_THAT(run_well(tiny()), HasSubstr("nothing to do"));
  write("data/tiny/README.md", "# edited here");
  EXPECT_THAT(pull(), HasSubstr("was edited"));
  EXPECT_EQ(read_file(path("data/tiny/README.md")), "# edited here");
}

TEST_F(HubPull, BranchesWithoutAWholeCaptureAreRefused) {
  lose_data_root();
  hub_.add(kOut, {{"l00h00q/data.parquet", "other rows"}}, "run-1");
  EXPECT_THAT(error_of_pull(5),
              AllOf(HasSubstr("l00h00q/data.parquet"), HasSubstr("push it again")));
  Json hostile = run_json_;
  hostile["files"][0]["name"] = "../../outside";
  hub_.add(kOut, {{"run.json", hostile.dump()}, {"outside", "x"}}, "run-1");
  EXPECT_THAT(error_of_pull(5), HasSubstr("names a file that no capture writes"));
  hub_.add(kOut, {{"run.json", R"({"format": 1})"}}, "run-1");
  EXPECT_THAT(error_of_pull(6), HasSubstr("run.json"));
  const Outcome none = run(command("pull", tiny({"output.hf_repo_id=org/captures"})));
  EXPECT_EQ(none.exit_code, 5);
  EXPECT_THAT(none.err, HasSubstr("holds no capture"));
}

}  // namespace
}  // namespace qk::e2e
