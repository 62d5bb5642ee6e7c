// Passes on their way to the writer: in units to several lanes, in parts, and into an error.
#include "sniffer/pipeline_writer.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "tests/saver/capture_fixture.h"

namespace qk::sniffer {
namespace {

namespace fs = std::filesystem;
using saver::testing::Synthetic;

class Writing : public testing::Test {
 protected:
  std::map<std::string, std::string> written_at_once() const {
    const fs::path root = saver::testing::fresh_folder("at_once");
    saver::testing::run(capture_, saver::testing::options(root));
    return saver::testing::contents(root);
  }

  saver::WriterOptions options(int lanes) const {
    saver::WriterOptions options = saver::testing::options(root_);
    options.lanes = lanes;
    return options;
  }

  /// Documents first to last-1 in units of so many documents.
  void pass(WriterThreads& rows, int64_t first, int64_t last, int64_t per_unit) const {
    std::vector<saver::CapturedBatch> units;
    for (int64_t i = first; i < last; i += per_unit)
      units.push_back(capture_.batch(i, std::min(i + per_unit, last)));
    for (size_t group = 0; group < capture_.layout.groups.size(); ++group)
      for (size_t unit = 0; unit < units.size(); ++unit)
        for (const saver::RowBlock& block : units[unit].blocks)
          if (block.group == static_cast<int32_t>(group)) rows.add(block, unit);
    std::vector<std::vector<saver::Document>> documents;
    for (const saver::CapturedBatch& unit : units) documents.push_back(unit.documents);
    rows.commit(documents);
  }

  int lanes_on_disk() const {
    int lanes = 0;
    while (fs::exists(root_ / ".sniff" / fmt::format("rows-{:04}-0000.spool", lanes))) ++lanes;
    return lanes;
  }

  const fs::path root_ = saver::testing::fresh_folder("capture");
  const Synthetic capture_;
};

TEST_F(Writing, PassesOfAnyUnitsBecomeTheSameFiles) {
  for (const int64_t queue_bytes : {1 << 20, 1}) {  // whole; each block a part of its own
    for (const int lanes : {1, 3}) {
      SCOPED_TRACE(testing::Message() << lanes << " lanes, a queue of " << queue_bytes);
      fs::remove_all(root_);
      saver::DatasetWriter writer(options(lanes), capture_.layout, saver::testing::facts());
      WriterThreads rows(writer, queue_bytes);
      EXPECT_EQ(rows.lanes(), static_cast<size_t>(lanes));
      pass(rows, 0, 7, lanes == 1 ? 7 : 3);
      pass(rows, 7, 8, 1);
      pass(rows, 8, 20, lanes == 1 ? 12 : 4);
      rows.finish();
      EXPECT_EQ(writer.rows_appended(), capture_.rows());
      EXPECT_EQ(lanes_on_disk(), lanes);
      writer.close();
      EXPECT_EQ(saver::testing::contents(root_), written_at_once());
    }
  }
}

TEST_F(Writing, ALaterRunWithFewerLanesGoesOn) {
  {
    saver::DatasetWriter writer(options(3), capture_.layout, saver::testing::facts());
    WriterThreads rows(writer, 1 << 20);
    pass(rows, 3, 12, 3);
    rows.finish();
  }
  saver::DatasetWriter writer(options(1), capture_.layout, saver::testing::facts());
  EXPECT_EQ(writer.documents_done(), 9);
  {
    WriterThreads rows(writer, 1 << 20);
    pass(rows, 0, 3, 3);
    pass(rows, 12, 20, 8);
    rows.finish();
  }
  writer.close();
  EXPECT_EQ(saver::testing::contents(root_), written_at_once());
}

TEST_F(Writing, PassesOfOneUnitTakeTurnsInTheLanes) {
  saver::DatasetWriter writer(options(3), capture_.layout, saver::testing::facts());
  WriterThreads rows(writer, 1 << 20);
  for (int64_t i = 0; i < 3; ++i) {
    pass(rows, i, i + 1, 1);
    rows.finish();
    EXPECT_EQ(lanes_on_disk(), i + 1);
  }
}

TEST_F(Writing, AnErrorOfOneLaneComesOutAndNothingWaitsForRoom) {
  saver::DatasetWriter writer(options(3), capture_.layout, saver::testing::facts());
  WriterThreads rows(writer, 1);
  pass(rows, 0, 6, 2);
  rows.finish();
  const saver::testing::FileSizeLimit limited(1);
  const auto all = [&] {
    for (int64_t i = 6; i < 18; i += 6) pass(rows, i, i + 6, 2);
    rows.finish();
  };
  EXPECT_THAT(saver::testing::message_of<OutputError>(all), testing::HasSubstr("same command"));
  EXPECT_THROW(rows.finish(), OutputError);
}

}  // namespace
}  // namespace qk::sniffer
