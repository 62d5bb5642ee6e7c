// What storage can do to a run besides being full: each is one error, and the same command goes on.
#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>

#include <nlohmann/json.hpp>

#include "base/files.h"
#include "tests/base/private_mounts.h"
#include "tests/e2e/fault.h"

namespace qk::e2e {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Storage : public Fault {
 protected:
  /// Lets `happen` happen while the run stands at a point, and lets it go on.
  template <typename Event>
  Outcome run_through(const std::string& point, Event&& happen) const {
    fs::remove(path("go"));
    const std::unique_ptr<Program> program = start_with("wait " + point + " go", capture());
    program->wait_for("waiting at " + point);
    happen();
    write("go", "");
    return program->wait();
  }
};

TEST_F(Storage, EachErrorOfAWriteHasItsRemedy) {
  const Hashes expected = uninterrupted(capture());
  const std::tuple<const char*, const char*, const char*> errors[] = {
      {"EDQUOT", "Disk quota exceeded", "make room or raise it"},
      {"EROFS", "Read-only file system", "Make it writable"},
      {"EIO", "Input/output error", "Check the disk or mount"},
      {"ESTALE", "Stale file handle", "Check the disk or mount"}};
  for (const auto& [name, what, remedy] : errors) {
    for (const char* bytes : {"200000", "900000"}) {
      SCOPED_TRACE(std::string(name) + " after " + bytes);
      const Outcome outcome = run_with(std::string("fail ") + name + " " + bytes, capture());
      expect_told(outcome, what, remedy);
      EXPECT_THAT(outcome.err, HasSubstr("same command"));
      expect_resumed(expected);
    }
  }
}

TEST_F(Storage, AFolderThatMayNotBeWrittenIsNamed) {
  if (::geteuid() == 0) {  // the programs started from now on are bound by permissions
    ASSERT_EQ(::prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0), 0);
  }
  const Hashes expected = uninterrupted(capture());
  fs::permissions(root_.parent_path(), fs::perms(0500));
  expect_told(run(capture()), "Permission denied", "Change its permissions");
  fs::permissions(root_.parent_path(), fs::perms(0700));
  ASSERT_EQ(run_with("kill spool.appended 2", capture()).signal, SIGKILL);
  fs::permissions(root_ / ".sniff", fs::perms(0500));
  fs::permissions(root_ / ".sniff/rows-0000-0000.spool", fs::perms(0400));
  expect_told(run(capture()), "Permission denied", "Change its permissions");
  fs::permissions(root_ / ".sniff", fs::perms(0700));
  fs::permissions(root_ / ".sniff/rows-0000-0000.spool", fs::perms(0600));
  expect_resumed(expected);
}

TEST_F(Storage, AFolderMovedAwayUnderTheRunIsMissedAndGoesOnWhenItIsBack) {
  const Hashes expected = uninterrupted(capture());
  const fs::path elsewhere = root_.parent_path() / "elsewhere";
  for (const char* point : {"spool.appended", "final.begun", "publish.staged"}) {
    SCOPED_TRACE(point);
    const Outcome outcome = run_through(point, [&] { fs::rename(root_, elsewhere); });
    expect_told(outcome, "moved, removed or unmounted", "Bring it back");
    EXPECT_FALSE(fs::exists(root_));
    fs::rename(elsewhere, root_);
    expect_resumed(expected);
  }
}

TEST_F(Storage, AFolderRemovedUnderTheRunIsMissedAndAllIsComputedAgain) {
  const Hashes expected = uninterrupted(capture());
  const Outcome outcome = run_through("spool.appended", [&] { fs::remove_all(root_); });
  expect_told(outcome, "moved, removed or unmounted", "same command");
  EXPECT_FALSE(fs::exists(root_));
  expect_resumed(expected);
}

TEST_F(Storage, AClockThatRunsBackwardsChangesNothing) {
  const Hashes expected = uninterrupted(capture());
  ASSERT_EQ(run_with("kill spool.appended 2", capture()).signal, SIGKILL);
  const Outcome outcome = run_with("clock", capture());
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(everything(), expected);
  const auto timings = nlohmann::json::parse(read_file(root_ / "run.json")).at("timings");
  EXPECT_THAT(timings.dump(), HasSubstr("\"2001-09-09T"));
  for (const auto& timing : timings) {
    if (timing.is_number()) {
      EXPECT_GE(timing.get<double>(), 0) << timings;
    }
  }
}

/// With a small disk of its own for data_root.
class Mount : public Storage {
 protected:
  void SetUp() override {
    if (!tests::enter_private_mounts()) GTEST_SKIP() << tests::kNeedsPrivateMounts;
    fs::create_directories(disk_);
    fs::create_directories(root_);
    tests::mount_disk(disk_, "16m");
    attach();
  }

  void TearDown() override {
    while (::umount2(root_.c_str(), MNT_DETACH) == 0) {
    }
    ::umount2(disk_.c_str(), MNT_DETACH);
  }

  void attach() const {
    ASSERT_EQ(::mount(disk_.c_str(), root_.c_str(), nullptr, MS_BIND, nullptr), 0);
  }
  void detach() const { ASSERT_EQ(::umount2(root_.c_str(), MNT_DETACH), 0); }

  void remount(unsigned long flags, const char* size) const {
    ASSERT_EQ(::mount("none", disk_.c_str(), nullptr, MS_REMOUNT | flags, size), 0);
  }

  /// What an uninterrupted run leaves, with data_root on the mount.
  Hashes uninterrupted_here() const {
    EXPECT_EQ(run(capture()).exit_code, 0);
    Hashes files = everything();
    for (const auto& entry : fs::directory_iterator(root_)) fs::remove_all(entry);
    return files;
  }

  void expect_goes_on(const Hashes& expected) const {
    const Outcome outcome = run(capture());
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(everything(), expected);
    for (const auto& entry : fs::directory_iterator(root_)) fs::remove_all(entry);
  }

  const fs::path disk_ = root_.parent_path() / "disk";
};

TEST_F(Mount, ATinyDiskIsOneErrorUntilItGrows) {
  const Hashes expected = uninterrupted_here();
  for (const char* size : {"size=64k", "size=512k", "size=1m"}) {
    SCOPED_TRACE(size);
    remount(0, size);
    const Outcome outcome = run(capture());
    expect_told(outcome, "Free some space there", "same command");
    remount(0, "size=16m");
    expect_goes_on(expected);
  }
}

TEST_F(Mount, AReadOnlyDiskIsOneErrorUntilItIsWritable) {
  const Hashes expected = uninterrupted_here();
  ASSERT_EQ(run_with("kill spool.appended 2", capture()).signal, SIGKILL);
  remount(MS_RDONLY, nullptr);
  expect_told(run(capture()), "Read-only file system", "Make it writable");
  remount(0, nullptr);
  expect_goes_on(expected);
}

TEST_F(Mount, ADiskThatIsUnmountedUnderTheRunLosesNothingAndNothingIsPutInItsPlace) {
  const Hashes expected = uninterrupted_here();
  for (const char* point : {"spool.appended", "final.begun", "publish.staged"}) {
    SCOPED_TRACE(point);
    const Outcome outcome = run_through(point, [&] { detach(); });
    expect_told(outcome, "unmounted", "same command");
    EXPECT_TRUE(fs::is_empty(root_));
    attach();
    expect_goes_on(expected);
  }
}

}  // namespace
}  // namespace qk::e2e
