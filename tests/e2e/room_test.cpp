// A capture that the disk has no room for, where the dataset tells how many documents come.
#include "tests/base/parquet_texts.h"
#include "tests/e2e/fault.h"

namespace qk::e2e {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Room : public Fault {
 protected:
  Room() {
    const std::vector<std::string> texts(kDocuments, kText);
    tests::write_parquet(path("texts.parquet"), texts, 1000);
  }

  /// A run on a disk with so much left.
  Outcome run_with_room(int64_t bytes, std::vector<std::string> overrides = {}) const {
    overrides.emplace_back("dataset.path=texts.parquet");
    return run_with("room " + std::to_string(bytes), capture(overrides));
  }

  static constexpr size_t kDocuments = 200;
  /// Half as many tokens as a document may have.
  static constexpr const char* kText = "In the beginning was the Word, and the Word was with God";
};

TEST_F(Room, ACaptureThatCannotFitIsRefusedBeforeItsFirstPass) {
  const Outcome outcome = run_with_room(1'000'000);
  expect_told(outcome, "a capture of these 200 documents will need about", "capture less");
  EXPECT_FALSE(fs::exists(root_ / ".sniff/rows-0000-0000.spool"));
  const Outcome sparser =
      run_with_room(1'000'000, {"capture.sampler.type=uniform", "capture.sampler.base_rate=0.1"});
  EXPECT_EQ(sparser.exit_code, 0) << sparser.err << "nothing binds a later run";
}

TEST_F(Room, ACaptureThatMayNotFitIsTriedWithAWarning) {
  const Outcome outcome = run_with_room(10'000'000);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("documents will need about"), HasSubstr("may not fit")));
}

TEST_F(Room, ACaptureThatFitsIsNotSpokenOf) {
  constexpr int64_t kBySize = 20'000'000, kBeyondDoubt = 1'000'000'000;
  for (const int64_t bytes : {kBySize, kBeyondDoubt}) {
    const Outcome outcome = run_with_room(bytes);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_THAT(outcome.err, Not(HasSubstr("will need")));
    fs::remove_all(root_);
  }
}

}  // namespace
}  // namespace qk::e2e
