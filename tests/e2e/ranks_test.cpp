// Several processes work on one capture, started by mpirun.
#include <signal.h>

#include "tests/e2e/mpi_ranks.h"

namespace qk::e2e {
namespace {

using testing::HasSubstr;

using Ranks = MpiRanks;

TEST_F(Ranks, EndInTheBytesOfOneProcess) {
  const Hashes expected = by_one_process();
  for (const int count : {1, 2, 3}) {
    const std::string data_root = "data/ranks-" + std::to_string(count);
    const Outcome outcome = run_command(mpirun(ranks(count, capture(data_root))));
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("24 documents"));
    EXPECT_EQ(captured_files(path(data_root)), expected) << count;
    EXPECT_FALSE(std::filesystem::exists(path(data_root + "/.sniff")));
  }
}

TEST_F(Ranks, MayHaveSeveralWriterThreadsEach) {
  const Hashes expected = by_one_process();
  const auto with_threads = [](int count) {
    return capture("data/ranks", {"output.writer_threads=" + std::to_string(count)});
  };
  Program job = start(mpirun(ranks(3, with_threads(3))));
  job.wait_for("batch 2:");
  ASSERT_EQ(::kill(ranks_of(job).back(), SIGKILL), 0);
  EXPECT_NE(job.wait().exit_code, 0);
  const Outcome outcome = run_command(mpirun(ranks(2, with_threads(2))));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(captured_files(path("data/ranks")), expected);
}

TEST_F(Ranks, TakeTheLongestDocumentsFirstAndAnyNumberGoesOn) {
  ASSERT_EQ(run(capture_of_lengths("data/whole")).exit_code, 0);
  const Hashes expected = captured_files(path("data/whole"));
  const Outcome whole = run_command(mpirun(ranks(2, capture_of_lengths("data/ranks"))));
  ASSERT_EQ(whole.exit_code, 0) << whole.err;
  EXPECT_THAT(whole.err, HasSubstr("batch 1: 1 documents, 1024 tokens"));
  EXPECT_EQ(captured_files(path("data/ranks")), expected);

  Program job = start(mpirun(ranks(2, capture_of_lengths("data/killed"))));
  job.wait_for("batch 2:");
  const pid_t launcher = children_of(job.process()).back();  // CMake sets its environment
  ASSERT_EQ(::kill(children_of(launcher).back(), SIGKILL), 0);
  EXPECT_NE(job.wait().exit_code, 0);
  const Outcome resumed = run_command(mpirun(ranks(3, capture_of_lengths("data/killed"))));
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("resuming: "));
  EXPECT_EQ(captured_files(path("data/killed")), expected);
}

TEST_F(Ranks, VerifiesAsTheCaptureOfOneProcess) {
  ASSERT_EQ(run_command(mpirun(ranks(2, capture("data/ranks")))).exit_code, 0);
  const Outcome verified = run({"verify", path("data/ranks").string()});
  EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
}

TEST_F(Ranks, OneThatIsKilledEndsTheJobAndAnyNumberGoesOn) {
  const Hashes expected = by_one_process();
  for (const int resumed_by : {1, 2}) {
    const std::string data_root = "data/killed-" + std::to_string(resumed_by);
    Program job = start(mpirun(ranks(3, capture(data_root))));
    job.wait_for("batch 2:");
    ASSERT_EQ(::kill(ranks_of(job).back(), SIGKILL), 0);
    const Outcome cut = job.wait();
    EXPECT_NE(cut.exit_code, 0);
    EXPECT_THAT(cut.err + cut.out, HasSubstr("signal 9"));

    const Arguments again = capture(data_root);
    const Outcome resumed =
        resumed_by == 1 ? run(again) : run_command(mpirun(ranks(resumed_by, again)));
    ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
    EXPECT_THAT(resumed.err, HasSubstr("resuming: "));
    EXPECT_EQ(captured_files(path(data_root)), expected);
  }
}

TEST_F(Ranks, WithOtherSettingsAreRefusedByName) {
  const Outcome outcome = run_command(mpirun(
      ranks(1, capture("data/r")), {ranks(1, capture("data/r", {"capture.min_bucket_size=32"}))}));
  EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("rank 1"));
  EXPECT_THAT(outcome.err, HasSubstr("capture.min_bucket_size"));
  EXPECT_FALSE(std::filesystem::exists(path("data/r/run.json")));
}

TEST_F(Ranks, AreAsManyAsTheLauncherSays) {
  const Outcome outcome =
      run_command(mpirun(ranks(2, capture("data/r", {"inference.processes=2"}))));
  EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("inference.processes: mpirun and srun decide"));
}

TEST_F(Ranks, EndTogetherWhenOneCannotGoOn) {
  const Outcome outcome =
      run_command(mpirun(ranks(2, capture("data/r", {"dataset.text_column=no_such_column"}))));
  EXPECT_EQ(outcome.exit_code, 7) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("no_such_column"));
}

}  // namespace
}  // namespace qk::e2e
