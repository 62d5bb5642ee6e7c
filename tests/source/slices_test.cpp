#include "tests/source/fixtures.h"

namespace qk::source {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TempFolder;

/// A folder with 25 rows t0... in train (three files) and 4 rows s0... in test.
class Slices : public ::testing::Test {
 protected:
  Slices() {
    int row = 0;
    for (const auto& [name, rows] : {std::pair("train-1.txt", 10), std::pair("train-2.txt", 1),
                                     std::pair("train-3.txt", 14)}) {
      std::string lines;
      for (int i = 0; i < rows; ++i) lines += "t" + std::to_string(row++) + "\n";
      folder_.write(name, lines);
    }
    folder_.write("test.txt", "s0\ns1\ns2\ns3\n");
  }

  DatasetSpec spec(const std::string& split, std::optional<int64_t> max_samples = {}) const {
    return {.path = folder_.path(),
            .name = {},
            .split = split,
            .id_column = {},
            .max_samples = max_samples};
  }

  std::vector<std::string> texts(const std::string& split,
                                 std::optional<int64_t> max_samples = {}) const {
    return testing::read_texts(spec(split, max_samples));
  }

  TempFolder folder_;
};

TEST_F(Slices, WholeSplitHasAllFilesInOrder) {
  const auto rows = texts("train");
  ASSERT_EQ(rows.size(), 25u);
  for (size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(rows[i], "t" + std::to_string(i));
}

TEST_F(Slices, CrossFileBorders) {
  EXPECT_THAT(texts("train[9:12]"), ElementsAre("t9", "t10", "t11"));
}

TEST_F(Slices, CountFromTheEnd) {
  EXPECT_THAT(texts("train[-2:]"), ElementsAre("t23", "t24"));
  EXPECT_THAT(texts("train[:-24]"), ElementsAre("t0"));
}

TEST_F(Slices, PercentagesRoundHalvesToEven) {
  EXPECT_THAT(texts("train[:10%]"), ElementsAre("t0", "t1"));
  EXPECT_THAT(texts("train[-10%:]"), ElementsAre("t23", "t24"));
}

TEST_F(Slices, SumsRunThroughWithOneIndex) {
  const auto rows = testing::read_rows(spec("test[1:3]+train[24:]+test[:1]"));
  EXPECT_THAT(testing::texts_of(rows), ElementsAre("s1", "s2", "t24", "s0"));
  EXPECT_THAT(testing::ids_of(rows), ElementsAre("0", "1", "2", "3"));
}

TEST_F(Slices, AllIsEverySplit) { EXPECT_EQ(texts("all").size(), 29u); }

TEST_F(Slices, MaxSamplesTakesTheFirstRows) {
  EXPECT_THAT(texts("train[3:]", 2), ElementsAre("t3", "t4"));
  EXPECT_THAT(texts("test", 100), ElementsAre("s0", "s1", "s2", "s3"));
  EXPECT_THAT(texts("test", 0), ElementsAre());
}

TEST_F(Slices, WithoutAnyRowAreErrors) {
  EXPECT_THAT(testing::error_of(spec("train[25:]")), HasSubstr("no row in split 'train[25:]'"));
  EXPECT_THAT(testing::error_of(spec("train[-1:-1]")), HasSubstr("no row in split"));
}

TEST_F(Slices, RowCountIsKnownAfterACountAndLimitedByMaxSamples) {
  EXPECT_EQ(open_text(spec("train[:40%]"))->row_count(), 10);
  EXPECT_EQ(open_text(spec("train[:40%]", 3))->row_count(), 3);
  EXPECT_EQ(open_text(spec("train"))->row_count(), std::nullopt);
}

TEST_F(Slices, ProgressGrowsToOne) {
  for (const char* split : {"train", "train[:40%]", "test+train", "train[2:4]"}) {
    const auto reader = open_text(spec(split));
    double last = 0.0;
    EXPECT_EQ(reader->progress(), 0.0);
    while (reader->next()) {
      EXPECT_GE(reader->progress(), last) << split;
      last = reader->progress();
    }
    EXPECT_EQ(reader->progress(), 1.0) << split;
  }
}

TEST_F(Slices, SkipLeavesTheRowsBehindItAsTheyWere) {
  for (const int64_t skipped : {0, 1, 2, 10, 11, 26}) {
    const std::string split = "test[2:]+train";
    const auto all = testing::read_rows(spec(split));
    const auto reader = open_text(spec(split));
    EXPECT_EQ(reader->skip(skipped), skipped);
    const auto rest = testing::read_rows(*reader);
    ASSERT_EQ(rest.size(), all.size() - skipped);
    for (size_t i = 0; i < rest.size(); ++i) {
      EXPECT_EQ(rest[i].text, all[i + skipped].text);
      EXPECT_EQ(rest[i].index, all[i + skipped].index);
    }
  }
}

TEST_F(Slices, RewindGoesBackToTheFirst) {
  const std::string split = "test[2:]+train";
  const auto reader = open_text(spec(split, 15));
  reader->skip(13);
  reader->rewind();
  EXPECT_EQ(testing::texts_of(testing::read_rows(*reader)),
            testing::texts_of(testing::read_rows(spec(split, 15))));
}

TEST_F(Slices, SkipEndsWithTheRows) {
  EXPECT_EQ(open_text(spec("test[1:3]"))->skip(10), 2);
  EXPECT_EQ(open_text(spec("test", 3))->skip(10), 3);
}

TEST_F(Slices, SingleFileIsTheSplitTrain) {
  DatasetSpec file = spec("train[1:2]");
  file.path = folder_ / "test.txt";
  EXPECT_THAT(testing::read_texts(file), ElementsAre("s1"));
  file.split = "test";
  EXPECT_THAT(testing::error_of(file), HasSubstr("no split 'test'; there are: train"));
}

}  // namespace
}  // namespace qk::source
