// Whatever ends a run, the same command goes on and ends in the same bytes.
#include <signal.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "base/files.h"
#include "tests/e2e/workspace.h"

namespace qk::e2e {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

/// An environment variable of the programs started while this lives.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    ::setenv(name, value.c_str(), 1);
  }
  ~Variable() { ::unsetenv(name_); }

 private:
  const char* name_;
};

class Fault : public Workspace {
 protected:
  Fault() {
    std::string lines;
    for (int i = 0; i < 48; ++i) {
      lines += R"({"text": "In the beginning was the Word, and the Word was with God, and the )"
               "Word was God. The same was in the beginning with God: number " +
               std::to_string(i) + "\"}\n";
    }
    write("tiny.jsonl", lines);
  }

  ~Fault() override {
    std::error_code ignored;
    fs::remove_all(root_.parent_path(), ignored);
  }

  /// Some passes, each of which adds to the spool.
  Arguments capture(std::vector<std::string> overrides = {}) const {
    overrides.insert(overrides.end(),
                     {"capture.capture_token_strings=true", "output.data_root=" + root_.string()});
    return tiny(overrides);
  }

  /// data_root; where syncs cost nothing, if there is such a place: it is the process that dies
  /// here, not the machine.
  static fs::path make_root() {
    std::string folder = "/dev/shm/qk-fault-XXXXXX";
    if (::mkdtemp(folder.data()) == nullptr) {
      folder = testing::TempDir() + "/qk-fault-XXXXXX";
      EXPECT_NE(::mkdtemp(folder.data()), nullptr);
    }
    return fs::path(folder) / "tiny";
  }

  /// The build with fault points; fault: see tests/faults.
  Outcome run_with(const std::string& fault, const Arguments& arguments) const {
    const Variable variable("QK_FAULT", fault);
    return Program(arguments, folder_.path(), Stderr::Pipe, QK_FAULTS_BINARY).wait();
  }

  /// Every file; of run.json what does not depend on the clock.
  Hashes everything() const {
    Hashes files = all_files(root_);
    if (files.contains("run.json")) {
      auto run = nlohmann::json::parse(read_file(root_ / "run.json"));
      run.erase("timings");
      files["run.json"] = sha256(run.dump());
    }
    return files;
  }

  /// What an uninterrupted run leaves; data_root is empty again.
  Hashes uninterrupted(const Arguments& arguments) const {
    EXPECT_EQ(run(arguments).exit_code, 0);
    Hashes files = everything();
    fs::remove_all(root_);
    return files;
  }

  /// The same command again ends well, and in these files. data_root is empty again.
  void expect_resumed(const Hashes& expected) const {
    const Outcome outcome = run(capture());
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(everything(), expected);
    fs::remove_all(root_);
  }

  const fs::path root_ = make_root();
};

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
    const Outcome full = run_with(std::string("full ") + bytes, capture());
    EXPECT_EQ(full.exit_code, 6);
    EXPECT_THAT(full.err, HasSubstr("No space left on device"));
    EXPECT_THAT(full.err, HasSubstr("same command"));
    expect_resumed(expected);
  }
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
      const fs::path segment = root_ / ".sniff/rows-0000.spool";
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
  const Arguments logging = capture({"inference.debug_logging=true"});
  const Hashes expected = uninterrupted(logging);
  std::unique_ptr<Program> first;
  {
    const Variable variable("QK_FAULT", "wait final.begun go");
    first = std::make_unique<Program>(logging, folder_.path(), Stderr::Pipe, QK_FAULTS_BINARY);
  }
  first->wait_for("batch 1:");
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
