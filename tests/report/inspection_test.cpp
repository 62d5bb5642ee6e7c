#include "report/inspection.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "tests/base/temporary_folder.h"
#include "tests/report/small_capture.h"

namespace qk::report {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing::SmallCapture;

class Inspecting : public ::testing::Test {
 protected:
  Inspection inspect_it() {
    fs::remove_all(root());
    made.write(root());
    capture = open_capture(root());
    return inspect(capture, [](int64_t, int64_t) {});
  }

  fs::path root() const { return folder_.path() / "data"; }

  SmallCapture made;
  Capture capture;

 private:
  tests::TemporaryFolder folder_;
};

TEST_F(Inspecting, CountsRowsDocumentsBucketsAndPositions) {
  const Inspection found = inspect_it();
  ASSERT_THAT(found.heads, SizeIs(6));
  const HeadStatistics& s = found.heads[3];
  EXPECT_EQ(capture.heads[3].name, "l01h00q");
  EXPECT_EQ(s.rows, 120);
  EXPECT_EQ(s.documents, 3);
  EXPECT_EQ(s.rows_per_bucket, (std::map<int32_t, int64_t>{{0, 48}, {1, 48}, {2, 24}}));
  EXPECT_EQ(s.first_position, 0);
  EXPECT_EQ(s.last_position, 39);
  EXPECT_EQ(s.duplicates, 0);
  EXPECT_THAT(found.flags, IsEmpty());
}

TEST_F(Inspecting, NormsAreThoseOfTheVectors) {
  const Inspection found = inspect_it();
  double sum = 0, squares = 0;
  for (const int64_t id : made.example_ids) {
    for (int32_t position = 0; position < made.tokens; ++position) {
      double square = 0;
      for (int64_t dim = 0; dim < 4; ++dim)
        square += std::pow(made.value(id, made.layout.groups[2], 1, position, dim), 2);
      sum += std::sqrt(square);
      squares += square;
    }
  }
  const double mean = sum / 120;
  EXPECT_EQ(capture.heads[4].name, "l01h01q");
  EXPECT_NEAR(found.heads[4].norm.mean(), mean, 1e-6);
  EXPECT_NEAR(found.heads[4].norm.deviation(), std::sqrt(squares / 120 - mean * mean), 1e-5);
}

TEST_F(Inspecting, FlagsDocumentsWhoseShortIdsAreEqual) {
  made.example_ids = {1, 2, 1 + (int64_t{1} << 32)};
  const Inspection found = inspect_it();
  ASSERT_THAT(found.flags, SizeIs(6));
  EXPECT_EQ(found.flags[0].level, Flag::Level::Problem);
  EXPECT_THAT(found.flags[0].text, HasSubstr("40 rows share example_id and position"));
}

TEST_F(Inspecting, CountsDuplicatesTheSameInParts) {
  made.example_ids = {1, 2, 1 + (int64_t{1} << 32)};
  inspect_it();
  const RowGroups file(capture.heads[0], 4);
  EXPECT_EQ(count_duplicates(file), 40);
  EXPECT_EQ(count_duplicates(file, 7), 40);
}

TEST_F(Inspecting, FlagsVectorsThatAreNotFiniteOrZero) {
  const auto value = made.value;
  made.value = [value](int64_t id, const saver::LayerHeads& group, int32_t head, int32_t position,
                       int64_t dim) {
    if (group.layer == 0 && group.kind == 'k' && position == 7)
      return std::numeric_limits<float>::quiet_NaN();
    if (group.layer == 0 && group.kind == 'k' && position == 8 && id == 2) return 0.0f;
    return value(id, group, head, position, dim);
  };
  const Inspection found = inspect_it();
  ASSERT_THAT(found.flags, SizeIs(2));
  EXPECT_EQ(found.flags[0].where, "l00h00k");
  EXPECT_THAT(found.flags[0].text, HasSubstr("3 vectors with NaN or infinity"));
  EXPECT_THAT(found.flags[1].text, HasSubstr("1 vectors of zeros"));
  EXPECT_TRUE(std::isfinite(found.heads[2].norm.mean()));
}

TEST_F(Inspecting, FlagsAFileThatIsntTheOneOfTheRun) {
  inspect_it();
  const fs::path other = root() / "other";
  SmallCapture longer;
  longer.tokens = 50;
  longer.write(other);
  fs::copy_file(other / "l01h01q/data.parquet", capture.heads[4].file,
                fs::copy_options::overwrite_existing);
  const Inspection found = inspect(capture, [](int64_t, int64_t) {});
  std::string text;
  for (const Flag& flag : found.flags) text += flag.where + ": " + flag.text + "\n";
  EXPECT_THAT(text, HasSubstr("l01h01q: 150 rows in the file, 120 in run.json"));
  EXPECT_THAT(text, HasSubstr("l01h01q: the file was changed"));
  EXPECT_THAT(text, HasSubstr("l01h01q: its rows aren't those of l01h00q"));
  EXPECT_THAT(text, HasSubstr("no rows in bucket 3"));
}

TEST_F(Inspecting, TablesShowLayersBucketsAndFlags) {
  const Inspection found = inspect_it();
  const std::string text = inspection_text(capture, found);
  EXPECT_THAT(text, HasSubstr("720 in 6 files"));
  EXPECT_THAT(text, HasSubstr("16-31"));
  EXPECT_THAT(text, HasSubstr("6 of 6"));
  EXPECT_THAT(text, HasSubstr("Nothing odd"));
}

TEST_F(Inspecting, UnfinishedAndForeignFoldersAreRefused) {
  const auto message = [&] {
    try {
      open_capture(root());
    } catch (const OutputError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(message(), HasSubstr("no such folder"));
  fs::create_directories(root());
  EXPECT_THAT(message(), HasSubstr("no run.json"));
  fs::create_directories(root() / ".sniff");
  EXPECT_THAT(message(), HasSubstr("isn't finished"));
}

TEST_F(Inspecting, QueriesPerKeyFollowTheLayout) {
  inspect_it();
  EXPECT_EQ(capture.queries_per_key(), 2);
}

}  // namespace
}  // namespace qk::report
