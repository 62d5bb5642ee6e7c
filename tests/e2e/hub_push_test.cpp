// A push that is cut off anywhere: readers see the old capture or the new one, and the same command
// completes it.
#include <signal.h>

#include "tests/e2e/hub_run.h"

namespace qk::e2e {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;

/// The request that is under way when the push is killed: it has not arrived, or its answer hasn't.
struct Moment {
  const char* request;
  bool arrived = false;
  int skip = 0;  ///< so many requests that fit go through before
};

class HubPushRun : public HubRun {
 protected:
  HubPushRun() { run_well(with_flag(pushing(), "--no-push")); }

  /// The branch holds an earlier capture, and the store nothing of the new one.
  void start_anew(int max_commit_lines = 1000) const {
    hub_.control({{"do", "reset"}});
    hub_.control({{"do", "settings"}, {"max_commit_lines", max_commit_lines}});
    const tests::Files earlier = {{"README.md", "# earlier"},
                                  {"l00h00q/data.parquet", "earlier rows"},
                                  {"l77h00q/data.parquet", "rows that go"}};
    hub_.add(kOut, earlier, "run-1");
  }

  /// Uploads whose whole content has arrived.
  std::set<std::string> stored() const {
    std::set<std::string> stored;
    for (const auto& entry : std::filesystem::directory_iterator(path("server/blobs")))
      stored.insert("/upload/" + entry.path().filename().string());
    return stored;
  }

  void expect_completed_without_sending_again() const {
    const std::set<std::string> before = stored();
    hub_.control({{"do", "clear"}});
    run_well(command("push", pushing()));
    EXPECT_EQ(branch(), all_files(path("data/tiny")));
    for (const Json& request : hub_.log()) {
      if (request["method"] == "PUT") {
        EXPECT_FALSE(before.contains(request["path"])) << request;
      }
    }
    const Json branches = hub_.repo(kOut)["branches"];
    EXPECT_EQ(branches.size(), 2u) << branches;
    const Hashes main = branch("main");
    ASSERT_TRUE(main.contains("README.md"));
  }

  void expect_harmless(const Moment& moment) const {
    SCOPED_TRACE(testing::Message() << moment.request << ", arrived: " << moment.arrived);
    const Hashes earlier = branch(), later = all_files(path("data/tiny"));
    hub_.hold(moment.request, {{"after", moment.arrived}, {"skip", moment.skip}});
    ASSERT_EQ(run_until_held(command("push", pushing()), SIGKILL).signal, SIGKILL);
    EXPECT_THAT(branch(), AnyOf(earlier, later)) << "half replaced";
    expect_completed_without_sending_again();
  }
};

TEST_F(HubPushRun, KilledAnywhereItNeverShowsHalfAndIsCompleted) {
  const Moment moments[] = {{"/preupload/"},
                            {"/objects/batch", true},
                            {"PUT /upload/", false, 3},
                            {"PUT /upload/", true, 3},
                            {"/objects/verify", true, 2},
                            {"/commit/run-1"},
                            {"/commit/run-1", true},
                            {"GET /api/datasets/org/captures/tree/", false, 1},
                            {"/commit/main"},
                            {"/commit/main", true}};
  for (const Moment& moment : moments) {
    start_anew();
    expect_harmless(moment);
  }
}

TEST_F(HubPushRun, KilledBetweenItsCommitsItNeverShowsHalfAndIsCompleted) {
  for (int i = 0; i < 40; ++i) write("data/tiny/notes/" + std::to_string(i), std::to_string(i));
  const Moment moments[] = {{"/commit/sniff-qk-incoming%2Frun-1", false, 2},
                            {"/commit/sniff-qk-incoming%2Frun-1", true, 2},
                            {"POST /api/datasets/org/captures/branch/run-1"},
                            {"POST /api/datasets/org/captures/branch/run-1", true},
                            {"DELETE /api/datasets/org/captures/branch/sniff-qk-incoming"}};
  for (const Moment& moment : moments) {
    start_anew(25);
    expect_harmless(moment);
  }
}

TEST_F(HubPushRun, CtrlCSaysWhatToDo) {
  start_anew();
  const Hashes earlier = branch();
  hub_.hold("/commit/run-1");
  const Outcome outcome = run_until_held(command("push", pushing()), SIGINT);
  EXPECT_EQ(outcome.exit_code, 130) << outcome.err;
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("whole in data/tiny"), HasSubstr("sniff-qk push")));
  EXPECT_EQ(branch(), earlier);
  expect_completed_without_sending_again();
}

}  // namespace
}  // namespace qk::e2e
