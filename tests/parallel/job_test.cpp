#include "parallel/job.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/error.h"

namespace qk::parallel {
namespace {

using testing::ElementsAre;

TEST(JobAlone, IsRank0Of1) {
  const auto job = job_alone();
  EXPECT_EQ(job->rank(), 0);
  EXPECT_EQ(job->size(), 1);
  EXPECT_EQ(job->ranks_on_host(), 1);
  EXPECT_FALSE(job->host().empty());
  EXPECT_EQ(job->post(), nullptr);
}

TEST(JobAlone, CountsAndHandsBackItsTexts) {
  const auto job = job_alone();
  EXPECT_EQ(job->add(Counter::Work, 2), 0);
  EXPECT_EQ(job->add(Counter::Work, 3), 2);
  EXPECT_EQ(job->add(Counter::Rows, 1), 0);
  EXPECT_THAT(job->gather("a"), ElementsAre("a"));
  EXPECT_EQ(job->broadcast("b"), "b");
}

TEST(JoinJob, FindsNoneWhereNobodyStartedOne) { EXPECT_EQ(join_job(), nullptr); }

TEST(JoinJob, RefusesTasksThatCannotFindOneAnother) {
  ::setenv("SLURM_STEP_NUM_TASKS", "4", 1);
  EXPECT_THROW(join_job(), ConfigError);
  ::unsetenv("SLURM_STEP_NUM_TASKS");
}

}  // namespace
}  // namespace qk::parallel
