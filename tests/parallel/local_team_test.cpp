#include "parallel/local_team.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/e2e/program.h"

namespace qk::parallel {
namespace {

using e2e::Outcome;
using e2e::Program;
using testing::HasSubstr;
using testing::IsEmpty;

/// ranks.cpp as a team of three. All of them hold its stderr, so it ends with the last of them.
Program team(const std::string& what) {
  std::vector<std::string> arguments = {"--team", "3"};
  if (!what.empty()) arguments.push_back(what);
  return {arguments, testing::TempDir(), e2e::Stderr::Pipe, QK_RANKS_BINARY};
}

TEST(LocalTeam, SharesCountersAndTexts) {
  const Outcome outcome = team("").wait();
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, IsEmpty());
}

TEST(LocalTeam, EndsWithTheCodeOfTheRankThatAborts) {
  const Outcome outcome = team("--abort").wait();
  EXPECT_EQ(outcome.exit_code, 7);
  EXPECT_EQ(outcome.err, "rank 1 ends the job\n");
}

TEST(LocalTeam, TellsOfARankThatExits) {
  const Outcome outcome = team("--exit").wait();
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("rank 2 (cpu) ended with exit code 3."));
}

TEST(LocalTeam, TellsOfARankThatLeavesBeforeTheOthers) {
  const Outcome outcome = team("--leave").wait();
  EXPECT_EQ(outcome.exit_code, 70);
  EXPECT_THAT(outcome.err, HasSubstr("rank 2 (cpu) ended before its work was done."));
}

TEST(LocalTeam, EndsTheOthersWhenOneDiesWhateverTheyDo) {
  const Outcome outcome = team("--die").wait();
  EXPECT_EQ(outcome.exit_code, 70);
  EXPECT_THAT(outcome.err, HasSubstr("rank 2 (cpu) was ended by signal 11."));
}

TEST(LocalTeam, EndsWithRank0) {
  Program program = team("--wait");
  for (const char* rank : {"rank 0", "rank 1", "rank 2"}) program.wait_for(rank);
  program.send(SIGKILL);
  EXPECT_EQ(program.wait().signal, SIGKILL);
}

TEST(LocalTeam, IsNotJoinedByAProcessThatNobodyStartedForIt) { EXPECT_EQ(join_team(), nullptr); }

}  // namespace
}  // namespace qk::parallel
