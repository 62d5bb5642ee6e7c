#include "tests/e2e/fault.h"

#include <nlohmann/json.hpp>

#include "base/files.h"

namespace qk::e2e {
namespace fs = std::filesystem;
namespace {

fs::path make_root() {
  std::string folder = "/dev/shm/qk-fault-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) {
    folder = testing::TempDir() + "/qk-fault-XXXXXX";
    EXPECT_NE(::mkdtemp(folder.data()), nullptr);
  }
  return fs::path(folder) / "tiny";
}

}  // namespace

Fault::Fault() : root_(make_root()) {
  std::string lines;
  for (int i = 0; i < 48; ++i) {
    lines += R"({"text": "In the beginning was the Word, and the Word was with God, and the )"
             "Word was God. The same was in the beginning with God: number " +
             std::to_string(i) + "\"}\n";
  }
  write("tiny.jsonl", lines);
}

Fault::~Fault() {
  std::error_code ignored;
  fs::remove_all(root_.parent_path(), ignored);
}

Arguments Fault::capture(std::vector<std::string> overrides) const {
  overrides.insert(overrides.end(),
                   {"capture.capture_token_strings=true", "output.data_root=" + root_.string()});
  return tiny(overrides);
}

Outcome Fault::run_with(const std::string& fault, const Arguments& arguments) const {
  return start_with(fault, arguments)->wait();
}

std::unique_ptr<Program> Fault::start_with(const std::string& fault,
                                           const Arguments& arguments) const {
  const Variable variable("QK_FAULT", fault);
  return std::make_unique<Program>(arguments, folder_.path(), Stderr::Pipe, QK_FAULTS_BINARY);
}

Hashes Fault::everything() const {
  Hashes files = all_files(root_);
  if (files.contains("run.json")) {
    auto run = nlohmann::json::parse(read_file(root_ / "run.json"));
    run.erase("timings");
    files["run.json"] = sha256(run.dump());
  }
  return files;
}

Hashes Fault::uninterrupted(const Arguments& arguments) const {
  EXPECT_EQ(run(arguments).exit_code, 0);
  Hashes files = everything();
  fs::remove_all(root_);
  return files;
}

void Fault::expect_told(const Outcome& outcome, const std::string& what,
                        const std::string& remedy) const {
  EXPECT_EQ(outcome.exit_code, 6) << outcome.err;
  EXPECT_THAT(outcome.err,
              testing::AllOf(testing::HasSubstr(what), testing::HasSubstr(root_.string()),
                             testing::HasSubstr(remedy)));
}

void Fault::expect_resumed(const Hashes& expected) const {
  const Outcome outcome = run(capture());
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(everything(), expected);
  fs::remove_all(root_);
}

}  // namespace qk::e2e
