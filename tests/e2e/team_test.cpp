// One command starts several processes of this host.
#include <signal.h>

#include "tests/e2e/several_processes.h"

namespace qk::e2e {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class Team : public SeveralProcesses {
 protected:
  static std::string processes(int count) { return "inference.processes=" + std::to_string(count); }

  static Arguments capture_by(int count, const std::string& data_root,
                              std::vector<std::string> overrides = {}) {
    overrides.push_back(processes(count));
    return capture(data_root, overrides);
  }

  Program start(const Arguments& arguments) const { return {arguments, folder_.path()}; }

  /// The one command goes on with what is there, and ends in these bytes.
  void expect_goes_on(const Arguments& arguments, const std::string& data_root,
                      const Hashes& expected) const {
    const Outcome resumed = run(arguments);
    ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
    EXPECT_THAT(resumed.err, HasSubstr("resuming: "));
    EXPECT_EQ(captured_files(path(data_root)), expected);
  }
};

/// How often `text` says `word`.
size_t count_of(const std::string& word, const std::string& text) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(word, at)) != std::string::npos; at += word.size()) ++count;
  return count;
}

TEST_F(Team, EndsInTheBytesOfOneProcess) {
  const Hashes expected = by_one_process();
  for (const int count : {2, 3}) {
    const std::string data_root = "data/team-" + std::to_string(count);
    const Outcome outcome = run(capture_by(count, data_root));
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(std::to_string(count) + " processes on cpu\n"));
    EXPECT_THAT(outcome.err, HasSubstr("24 documents"));
    EXPECT_THAT(outcome.err, HasSubstr("rank 1: debug: batch 1:"));
    EXPECT_EQ(captured_files(path(data_root)), expected) << count;
    EXPECT_FALSE(std::filesystem::exists(path(data_root + "/.sniff")));
  }
}

/// One of them begins with the document that stands last, as long as documents may be.
TEST_F(Team, TakesTheLongestDocumentsFirst) {
  ASSERT_EQ(run(capture_of_lengths("data/whole")).exit_code, 0);
  const Hashes expected = captured_files(path("data/whole"));
  for (const int count : {2, 3}) {
    const std::string data_root = "data/team-" + std::to_string(count);
    const Outcome outcome = run(capture_of_lengths(data_root, {processes(count)}));
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("batch 1: 1 documents, 1024 tokens"));
    EXPECT_THAT(outcome.err, HasSubstr("24 documents"));
    EXPECT_EQ(captured_files(path(data_root)), expected) << count;
  }
}

TEST_F(Team, ThatTookTheLongestFirstIsGoneOnWithByAnyNumber) {
  ASSERT_EQ(run(capture_of_lengths("data/whole")).exit_code, 0);
  const Hashes expected = captured_files(path("data/whole"));
  for (const int resumed_by : {1, 2}) {
    const std::string data_root = "data/killed-" + std::to_string(resumed_by);
    Program program = start(capture_of_lengths(data_root, {processes(3)}));
    program.wait_for("batch 2:");
    ASSERT_EQ(::kill(children_of(program.process()).back(), SIGKILL), 0);
    EXPECT_EQ(program.wait().exit_code, 70);
    expect_goes_on(capture_of_lengths(data_root, {processes(resumed_by)}), data_root, expected);
  }
}

/// The error is that of the capture, by whichever rank.
TEST_F(Team, MeetsADamagedRowBeforeTheFirstPass) {
  write("tiny.jsonl", R"({"id": "a", "text": "In the beginning"}
{"id": "b", "text": 7}
)");
  const Outcome alone = run(tiny());
  const Outcome team = run(tiny({processes(2)}));
  EXPECT_EQ(team.exit_code, alone.exit_code);
  EXPECT_THAT(alone.err, HasSubstr("column 'text' is of type int"));
  EXPECT_THAT(team.err, HasSubstr("column 'text' is of type int"));
  EXPECT_EQ(count_of("sniff-qk: ", team.err), 1) << team.err;
}

TEST_F(Team, CountsOddTextsOnce) {
  write("tiny.jsonl", R"({"id": "a", "text": "In the beginning was the Word"}
{"id": "b", "text": null}
{"id": "c", "text": "The \u0000 same"}
)");
  const std::string skip = "dataset.on_bad_text=skip";
  const Outcome outcome = run(tiny({processes(2), skip, "inference.debug_logging=true"}));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(count_of("is null: skipped", outcome.err), 1) << outcome.err;
  EXPECT_EQ(count_of("has NUL bytes", outcome.err), 1) << outcome.err;
}

TEST_F(Team, SaysNothingWhenQuietAndFindsTheCaptureFinished) {
  const Arguments arguments = tiny({"inference.processes=2"});
  const Outcome outcome = run(with_flag(arguments, "--quiet"));
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out + outcome.err, IsEmpty());
  const Outcome again = run(arguments);
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_EQ(count_of("nothing to do", again.err), 1) << again.err;
}

TEST_F(Team, OneThatIsKilledEndsTheJobAndOneProcessGoesOn) {
  const Hashes expected = by_one_process();
  Program program = start(capture_by(3, "data/killed"));
  program.wait_for("batch 2:");
  const std::vector<pid_t> members = children_of(program.process());
  ASSERT_THAT(members, SizeIs(2));
  ASSERT_EQ(::kill(members[1], SIGKILL), 0);
  const Outcome cut = program.wait();
  EXPECT_EQ(cut.exit_code, 70) << cut.err;
  EXPECT_EQ(count_of("sniff-qk: ", cut.err), 1) << cut.err;
  EXPECT_THAT(cut.err, HasSubstr("sniff-qk: rank 2 (cpu) was ended by signal 9"));
  expect_goes_on(capture("data/killed"), "data/killed", expected);
}

TEST_F(Team, StopsInOrderWhenRank0AloneIsAsked) {
  const Hashes expected = by_one_process();
  Program program = start(capture_by(2, "data/stopped"));
  program.wait_for("batch 2:");
  program.send(SIGTERM);
  const Outcome cut = program.wait();
  EXPECT_EQ(cut.exit_code, 130) << cut.err;
  EXPECT_EQ(count_of("sniff-qk: ", cut.err), 1) << cut.err;
  EXPECT_THAT(cut.err, HasSubstr("sniff-qk: stopped"));
  expect_goes_on(capture_by(3, "data/stopped"), "data/stopped", expected);
}

/// As Ctrl-C on a terminal.
TEST_F(Team, StopsInOrderWhenAllAreAsked) {
  const Hashes expected = by_one_process();
  Program program = start(capture_by(3, "data/stopped"));
  program.wait_for("rank 1: debug: batch 1:");
  std::vector<pid_t> all = children_of(program.process());
  all.push_back(program.process());
  for (const pid_t process : all) ASSERT_EQ(::kill(process, SIGINT), 0);
  const Outcome cut = program.wait();
  EXPECT_EQ(cut.exit_code, 130) << cut.err;
  EXPECT_EQ(count_of("sniff-qk: ", cut.err), 1) << cut.err;
  expect_goes_on(capture_by(2, "data/stopped"), "data/stopped", expected);
}

TEST_F(Team, RefusesOnce) {
  const std::pair<std::string, int> mistakes[] = {{"dataset.text_column=no_such_column", 7},
                                                  {"model.name=no/such/folder", 2},
                                                  {"model.no_such_key=1", 2}};
  for (const auto& [mistake, exit_code] : mistakes) {
    const Outcome outcome = run(capture_by(3, "data/r", {mistake}));
    EXPECT_EQ(outcome.exit_code, exit_code) << outcome.err;
    EXPECT_EQ(count_of("sniff-qk: ", outcome.err), 1) << outcome.err;
    EXPECT_FALSE(std::filesystem::exists(path("data/r/run.json")));
  }
}

/// Every row is read by each rank, but the last one is for one of them alone to tokenize.
TEST_F(Team, EndsWithTheErrorOfAnyRank) {
  write("tiny.jsonl", R"({"id": "a", "text": "In the beginning"}
{"id": "b", "text": 7}
)");
  const Outcome outcome = run(tiny({"inference.processes=3"}));
  EXPECT_EQ(outcome.exit_code, 7) << outcome.err;
  EXPECT_EQ(count_of("sniff-qk: ", outcome.err), 1) << outcome.err;
}

TEST_F(Team, OfProcessesThatShareTheModelIsRefused) {
  for (const char* parallel : {"inference.parallel=heads", "inference.parallel=layers"}) {
    const Outcome outcome = run(tiny({"inference.processes=2", parallel}));
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_THAT(outcome.err, HasSubstr("inference.parallel, inference.processes"));
  }
}

}  // namespace
}  // namespace qk::e2e
