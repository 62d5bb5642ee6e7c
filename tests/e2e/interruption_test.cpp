// A run that was cut off goes on, and ends in the same bytes.
#include <signal.h>

#include "tests/e2e/workspace.h"

namespace qk::e2e {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class Interruption : public Workspace {
 protected:
  /// A few seconds of some twelve passes, each of which says when it is done.
  static Arguments capture(std::vector<std::string> overrides = {}) {
    overrides.insert(overrides.end(), {"dataset.max_samples=24", "capture.layers=[0, 1]",
                                       "inference.debug_logging=true"});
    return sample(overrides);
  }

  Outcome interrupt(const Arguments& arguments, int signal, const std::string& when) const {
    Program program(arguments, folder_.path());
    program.wait_for(when);
    program.send(signal);
    return program.wait();
  }

  /// What an uninterrupted run writes.
  Hashes uninterrupted(std::vector<std::string> overrides = {}) const {
    overrides.push_back("output.data_root=data/whole");
    EXPECT_EQ(run(capture(overrides)).exit_code, 0);
    return captured_files(path("data/whole"));
  }
};

class InterruptionBy : public Interruption, public testing::WithParamInterface<int> {};

TEST_P(InterruptionBy, LeavesNothingThatLooksFinishedAndIsResumed) {
  const Hashes expected = uninterrupted();
  const Outcome cut = interrupt(capture(), GetParam(), "batch 4:");
  if (GetParam() == SIGKILL) {
    EXPECT_EQ(cut.signal, SIGKILL);
  } else {
    EXPECT_EQ(cut.exit_code, 130) << cut.err;
  }
  for (const auto& [name, hash] : all_files(path("data/sample")))
    EXPECT_TRUE(name.starts_with(".sniff/")) << name;

  const Outcome resumed = run(capture());
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("resuming: "));
  EXPECT_EQ(captured_files(path("data/sample")), expected);
  EXPECT_FALSE(fs::exists(path("data/sample/.sniff")));
}

INSTANTIATE_TEST_SUITE_P(Signals, InterruptionBy, testing::Values(SIGINT, SIGTERM, SIGKILL),
                         [](const auto& info) {
                           return info.param == SIGINT    ? "SigInt"
                                  : info.param == SIGTERM ? "SigTerm"
                                                          : "SigKill";
                         });

TEST_F(Interruption, AgainAndAgainStillEndsInTheSameBytes) {
  const Hashes expected = uninterrupted();
  for (const char* when : {"batch 1:", "batch 2:", "batch 3:"})
    ASSERT_EQ(interrupt(capture(), SIGKILL, when).signal, SIGKILL);
  const Outcome resumed = run(capture());
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_EQ(captured_files(path("data/sample")), expected);
}

TEST_F(Interruption, MayBeResumedWithAnotherBatchSizeAndMoreThreads) {
  const Hashes expected = uninterrupted();
  ASSERT_EQ(interrupt(capture(), SIGINT, "batch 3:").exit_code, 130);
  const Outcome resumed = run(capture({"inference.batch_size=1", "inference.threads=2"}));
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_EQ(captured_files(path("data/sample")), expected);
}

TEST_F(Interruption, CannotBeResumedWithAnotherConfigExceptByReplacing) {
  const std::vector<std::string> other = {"capture.sampler.base_rate=2"};
  const Hashes expected = uninterrupted(other);
  ASSERT_EQ(interrupt(capture(), SIGINT, "batch 3:").exit_code, 130);
  const Outcome refused = run(capture(other));
  EXPECT_EQ(refused.exit_code, 6);
  EXPECT_THAT(refused.err, HasSubstr("capture.sampler.base_rate: 4.0 -> 2.0"));
  const Outcome replaced = run(with_flag(capture(other), "--replace"));
  EXPECT_EQ(replaced.exit_code, 0) << replaced.err;
  EXPECT_THAT(replaced.err, Not(HasSubstr("resuming")));
  EXPECT_EQ(captured_files(path("data/sample")), expected);
}

TEST_F(Interruption, OfAReplacementLeavesTheEarlierCapture) {
  ASSERT_EQ(run(capture()).exit_code, 0);
  const Hashes earlier = captured_files(path("data/sample"));
  const std::vector<std::string> other = {"capture.sampler.base_rate=2"};
  const Arguments replacement = with_flag(capture(other), "--replace");
  ASSERT_EQ(interrupt(replacement, SIGKILL, "batch 4:").signal, SIGKILL);
  EXPECT_EQ(captured_files(path("data/sample")), earlier);
  const Outcome resumed = run(replacement);
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_EQ(captured_files(path("data/sample")), uninterrupted(other));
}

}  // namespace
}  // namespace qk::e2e
