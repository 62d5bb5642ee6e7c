/// Each kind of damage is found, and named.
#include "verify/verify.h"

#include <arrow/api.h>
#include <gmock/gmock.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "saver/arrow_check.h"
#include "tests/base/temporary_folder.h"
#include "tests/verify/damage.h"

namespace qk::verify::testing {
namespace {

namespace fs = std::filesystem;
using saver::check_arrow;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kFile = "l00h01q/data.parquet";

class Verify : public ::testing::Test {
 protected:
  Verify() { write_capture(root_); }

  Report report() const {
    Options options;
    options.threads = 2;
    options.on_progress = [](const std::string&) {};
    return verify(root_, options);
  }

  /// The only finding is in kFile.
  void expect_problem(const std::string& check, const std::string& what) const {
    EXPECT_THAT(report().problems,
                ElementsAre(AllOf(Field(&Finding::check, check), Field(&Finding::file, kFile),
                                  Field(&Finding::what, HasSubstr(what)))));
  }

  void edit(const Edit& change) const { edit_table(root_, kFile, change); }

  tests::TemporaryFolder folder_;
  fs::path root_ = folder_.path() / "capture";
};

TEST_F(Verify, FindsNothingInAGoodCapture) {
  const Report good = report();
  EXPECT_THAT(good.problems, IsEmpty());
  EXPECT_THAT(good.notes, IsEmpty());
  EXPECT_EQ(good.documents, 5);
  EXPECT_EQ(good.files, 3);
  EXPECT_THAT(to_text(good), HasSubstr("good: "));
  EXPECT_TRUE(nlohmann::json::parse(to_json(good)).at("good"));
}

TEST_F(Verify, AcceptsTheSameRowsInOtherRowGroups) {
  edit([](const auto& table) { return table; });
  EXPECT_THAT(report().problems, IsEmpty());
}

TEST_F(Verify, FindsAFlippedBitAnywhere) {
  const std::string good = read_file(root_ / kFile);
  for (size_t at = 0; at < good.size(); at += 97) {
    SCOPED_TRACE(at);
    flip_bit(root_ / kFile, at);
    EXPECT_THAT(report().problems,
                Contains(AllOf(Field(&Finding::check, "sha256"), Field(&Finding::file, kFile))));
    std::ofstream(root_ / kFile, std::ios::binary) << good;
  }
}

TEST_F(Verify, FindsAFlippedBitInExamplesAndCard) {
  for (const std::string name : {"examples.parquet", "README.md"}) {
    flip_bit(root_ / name, 40);
    EXPECT_THAT(report().problems,
                Contains(AllOf(Field(&Finding::check, "sha256"), Field(&Finding::file, name))));
  }
}

TEST_F(Verify, FindsACutFile) {
  fs::resize_file(root_ / kFile, 200);
  EXPECT_THAT(report().problems, Contains(AllOf(Field(&Finding::check, "size"),
                                                Field(&Finding::what, HasSubstr("200 bytes")))));
}

TEST_F(Verify, FindsAMissingFile) {
  fs::remove(root_ / kFile);
  expect_problem("files", "can't be found");
}

TEST_F(Verify, FindsAnExtraFile) {
  folder_.write("capture/l00h01q/more.txt", "x");
  EXPECT_THAT(report().problems, ElementsAre(Field(&Finding::file, "l00h01q/more.txt")));
}

TEST_F(Verify, FindsAFileThatRunJsonDoesNotList) {
  auto run = nlohmann::ordered_json::parse(read_file(root_ / "run.json"));
  auto& files = run.at("files");
  for (size_t i = 0; i < files.size(); ++i) {
    if (files[i].at("name") == kFile) files.erase(i);
  }
  std::ofstream(root_ / "run.json") << run.dump();
  EXPECT_THAT(report().problems,
              Contains(AllOf(Field(&Finding::file, kFile),
                             Field(&Finding::what, HasSubstr("run.json doesn't list it")))));
}

TEST_F(Verify, FindsADroppedRow) {
  edit([](const auto& table) {
    return check_arrow(arrow::ConcatenateTables({table->Slice(0, 3), table->Slice(4)}));
  });
  const auto problems = report().problems;
  EXPECT_THAT(problems, Contains(Field(&Finding::what, HasSubstr("run.json says"))));
  EXPECT_THAT(problems, Contains(Field(&Finding::what, HasSubstr("row 3 is bucket"))));
  EXPECT_THAT(problems, Contains(Field(&Finding::what, HasSubstr("the sampler gives 1 more"))));
}

TEST_F(Verify, FindsSwappedRows) {
  edit([](const auto& table) {
    return check_arrow(arrow::ConcatenateTables(
        {table->Slice(0, 4), table->Slice(5, 1), table->Slice(4, 1), table->Slice(6)}));
  });
  expect_problem("rows", "row 4 is bucket");
}

TEST_F(Verify, FindsAWrongBucketPositionOrExample) {
  for (const char* column : {"bucket", "position", "example_id"}) {
    SCOPED_TRACE(column);
    edit([&](const auto& table) { return with_value(table, column, 2, 77); });
    expect_problem("rows", "row 2 is bucket");
    write_capture(root_ = folder_.path() / column);
  }
}

TEST_F(Verify, FindsAWrongWindow) {
  edit([](const auto& table) { return with_value(table, "sliding_window", 5, 32); });
  expect_problem("rows", "sliding_window isn't the layer's: row 5");
}

TEST_F(Verify, FindsNaNAndInfinity) {
  for (const float value : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    edit([&](const auto& table) { return with_vector(table, 9, value); });
    expect_problem("vectors", "NaN or infinite: row 9");
  }
}

TEST_F(Verify, LargeButFiniteVectorsAreFine) {
  edit([&](const auto& table) { return with_vector(table, 9, std::numeric_limits<float>::max()); });
  EXPECT_THAT(report().problems, IsEmpty());
}

TEST_F(Verify, NotesVectorsOfZeros) {
  edit([](const auto& table) { return with_vector(table, 1, 0); });
  const Report found = report();
  EXPECT_THAT(found.problems, IsEmpty());
  EXPECT_THAT(found.notes, ElementsAre(Field(&Finding::what, "only zeros: row 1")));
}

TEST_F(Verify, FindsAnotherSchema) {
  edit([](const auto& table) { return check_arrow(table->RemoveColumn(0)); });
  EXPECT_THAT(report().problems,
              Contains(AllOf(Field(&Finding::check, "parquet"),
                             Field(&Finding::what, HasSubstr("its columns are")))));
}

TEST_F(Verify, FindsExamplesThatTheRowsDoNotFit) {
  edit_table(root_, "examples.parquet",
             [](const auto& table) { return with_value(table, "example_id", 1, 5); });
  EXPECT_THAT(report().problems,
              ElementsAre(Field(&Finding::what, HasSubstr("line 1: example_id is 5"))));
}

TEST_F(Verify, FindsCountsThatDoNotAddUp) {
  auto run = nlohmann::ordered_json::parse(read_file(root_ / "run.json"));
  run["rows_per_bucket"]["0"] = 1;
  run["counts"]["rows"] = 1;
  std::ofstream(root_ / "run.json") << run.dump();
  const auto problems = report().problems;
  EXPECT_THAT(problems, Contains(Field(&Finding::what, HasSubstr("rows_per_bucket"))));
  EXPECT_THAT(problems, Contains(Field(&Finding::what, HasSubstr("says 1 rows"))));
}

TEST_F(Verify, NeedsAFinishedCapture) {
  fs::remove(root_ / "run.json");
  EXPECT_THROW(report(), OutputError);
  EXPECT_THROW(verify(folder_.path() / "nowhere", {}), OutputError);
}

}  // namespace
}  // namespace qk::verify::testing
