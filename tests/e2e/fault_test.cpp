// Whatever ends a run, the same command goes on and ends in the same bytes.
#include <signal.h>
#include <sys/resource.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "base/files.h"
#include "tests/e2e/fault.h"

namespace qk::e2e {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

TEST_F(Fault, KillAtEveryStateChange) {
  const Hashes expected = uninterrupted(capture());
  ASSERT_EQ(run_with("log points.txt", capture()).exit_code, 0);
  EXPECT_EQ(everything(), expected);
  fs::remove_all(root_);

  std::map<std::string, int> passed;
  std::istringstream points(read_file(path("points.txt")));
  for (std::string name; std::getline(points, name);) ++passed[name];
  EXPECT_GE(passed.size(), 14u);
  EXPECT_GE(passed["spool.appended"], 2);
  for (const auto& [name, times] : passed) {
    for (const int time : std::set<int>{1, times}) {
      SCOPED_TRACE(name + " " + std::to_string(time));
      const std::string fault = "kill " + name + " " + std::to_string(time);
      ASSERT_EQ(run_with(fault, capture()).signal, SIGKILL);
      expect_resumed(expected);
    }
  }
}

TEST_F(Fault, KillInTheMiddleOfAWrite) {
  const Hashes expected = uninterrupted(capture());
  for (const int number : {2, 3, 4, 9}) {
    SCOPED_TRACE(number);
    ASSERT_EQ(run_with("tear " + std::to_string(number), capture()).signal, SIGKILL);
    expect_resumed(expected);
  }
}

TEST_F(Fault, KillWhileAnEarlierCaptureIsReplaced) {
  const Arguments earlier = capture({"capture.layers=[0]"}),
                  later = capture({"capture.layers=[1]"});
  ASSERT_EQ(run(later).exit_code, 0);
  const Hashes expected = everything();
  for (const char* point : {"publish.staged 1", "publish.run_file_removed 1", "publish.moved 2",
                            "publish.stale_removed 1", "publish.run_file 1"}) {
    SCOPED_TRACE(point);
    ASSERT_EQ(run(with_flag(earlier, "--replace")).exit_code, 0);
    const std::string fault = std::string("kill ") + point;
    ASSERT_EQ(run_with(fault, with_flag(later, "--replace")).signal, SIGKILL);
    EXPECT_EQ(run(later).exit_code, 0);
    EXPECT_EQ(everything(), expected);
  }
}

TEST_F(Fault, KillAtTwentyRandomMoments) {
  const auto start = std::chrono::steady_clock::now();
  const Hashes expected = uninterrupted(capture());
  const auto whole = std::chrono::steady_clock::now() - start;
  std::mt19937 random(3);
  for (int i = 0; i < 20; ++i) {
    SCOPED_TRACE(i);
    Program program(capture(), folder_.path());
    std::this_thread::sleep_for(whole * (random() % 1000) / 1000);
    program.send(SIGKILL);
    program.wait();
    expect_resumed(expected);
  }
}

TEST_F(Fault, ShortWritesAreContinued) {
  const Hashes expected = uninterrupted(capture());
  ASSERT_EQ(run_with("short", capture()).exit_code, 0);
  EXPECT_EQ(everything(), expected);
}

TEST_F(Fault, AFullDiskIsOneErrorAndTheRunGoesOn) {
  const Hashes expected = uninterrupted(capture());
  for (const char* bytes : {"0", "5000", "300000", "900000"}) {
    SCOPED_TRACE(bytes);
    const Outcome full = run_with(std::string("fail ENOSPC ") + bytes, capture());
    EXPECT_EQ(full.exit_code, 6);
    EXPECT_THAT(full.err, HasSubstr("No space left on device"));
    EXPECT_THAT(full.err, HasSubstr("same command"));
    expect_resumed(expected);
  }
}

TEST_F(Fault, SeveralWriterThreadsLoseNothingAndOneCanGoOn) {
  const Hashes by_one = uninterrupted(capture());
  const Arguments by_three = capture({"output.writer_threads=3"});
  for (const char* fault :
       {"kill spool.segment 2", "kill spool.appended 1", "kill spool.appended 3",
        "kill spool.appended 5", "kill final.begun 1", "tear 3", "tear 5", "tear 7"}) {
    SCOPED_TRACE(fault);
    ASSERT_EQ(run_with(fault, by_three).signal, SIGKILL);
    expect_resumed(by_one);
  }
  for (const char* bytes : {"5000", "100000", "300000"}) {
    SCOPED_TRACE(bytes);
    EXPECT_EQ(run_with(std::string("fail ENOSPC ") + bytes, by_three).exit_code, 6);
    expect_resumed(by_one);
  }
  ASSERT_EQ(run_with("short", by_three).exit_code, 0);
  const Hashes short_writes = captured_files(root_);
  fs::remove_all(root_);
  ASSERT_EQ(run(capture()).exit_code, 0);
  EXPECT_EQ(short_writes, captured_files(root_));
}

TEST_F(Fault, ALimitOfFileSizesIsAnErrorLikeAFullDisk) {
  const Hashes expected = uninterrupted(capture());
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit limited{.rlim_cur = 100 << 10, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limited), 0);
  const Outcome outcome = run(capture());
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(outcome.exit_code, 6);
  EXPECT_THAT(outcome.err, HasSubstr("ulimit -f"));
  expect_resumed(expected);
}

TEST_F(Fault, DamageToTheSpoolIsComputedAgain) {
  const Hashes expected = uninterrupted(capture());
  for (const bool cut : {false, true}) {
    for (const size_t percent : {1, 50, 98}) {
      SCOPED_TRACE(testing::Message() << (cut ? "cut at " : "flipped at ") << percent << " %");
      ASSERT_EQ(run_with("kill final.begun 1", capture()).signal, SIGKILL);
      const fs::path segment = root_ / ".sniff/rows-0000-0000.spool";
      std::string bytes = read_file(segment);
      const size_t place = bytes.size() * percent / 100;
      if (cut) bytes.resize(place);
      if (!cut) bytes[place] ^= 1;
      std::ofstream(segment, std::ios::binary) << bytes;
      expect_resumed(expected);
    }
  }
}

TEST_F(Fault, ASecondRunIsRefusedAndTheFirstIsUnharmed) {
  const Hashes expected = uninterrupted(capture());
  const std::unique_ptr<Program> first = start_with("wait final.begun go", capture());
  first->wait_for("waiting at final.begun");
  const Outcome second = run(capture());
  EXPECT_EQ(second.exit_code, 6);
  EXPECT_THAT(second.err, HasSubstr("another run"));
  write("go", "");
  EXPECT_EQ(first->wait().exit_code, 0);
  EXPECT_EQ(everything(), expected);
}

TEST_F(Fault, LocaleAndTimeZoneChangeNothing) {
  const Hashes expected = uninterrupted(capture());
  const std::pair<const char*, const char*> places[] = {
      {"de_DE.UTF-8", "Pacific/Kiritimati"}, {"C", "America/Adak"}, {"tr_TR.UTF-8", ":nonsense"}};
  for (const auto& [locale, zone] : places) {
    SCOPED_TRACE(locale);
    const Variable language("LC_ALL", locale), time_zone("TZ", zone);
    ASSERT_EQ(run_with("kill spool.appended 2", capture()).signal, SIGKILL);
    expect_resumed(expected);
  }
}

}  // namespace
}  // namespace qk::e2e
