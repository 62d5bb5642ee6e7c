#include <parquet/file_reader.h>
#include <parquet/metadata.h>

#include <algorithm>

#include "base/files.h"
#include "tests/base/parquet_texts.h"
#include "tests/source/fixtures.h"

namespace qk::source {
namespace {

using ::testing::HasSubstr;
using testing::spec;

const std::vector<std::string> kTexts = {"a", "b", "c", "d", "e", "f", "g"};

/// Writes other bytes over all pages of a row group.
void ruin_group(const std::string& file, int group) {
  const auto metadata = parquet::ParquetFileReader::OpenFile(file)->metadata();
  const auto text = metadata->RowGroup(group)->ColumnChunk(0);
  const int64_t begin =
      text->has_dictionary_page() ? text->dictionary_page_offset() : text->data_page_offset();
  std::string bytes = read_file(file);
  std::fill_n(bytes.begin() + begin, text->total_compressed_size(), '\xEE');
  write_file_atomically(file, bytes);
}

TEST(ParquetRows, SkippedRowGroupsAreNotRead) {
  const testing::TempFolder folder;
  const std::string file = folder / "a.parquet";
  tests::write_parquet(file, kTexts, 2);
  ruin_group(file, 1);
  ruin_group(file, 2);
  EXPECT_THAT(testing::error_of(spec(file)), HasSubstr("after row 1 (from 0): damaged"));
  for (int64_t read = 0; read <= 2; ++read) {
    SCOPED_TRACE(read);
    const auto reader = open_text(spec(file));
    for (int64_t i = 0; i < read; ++i) EXPECT_EQ(reader->next()->text, kTexts[i]);
    EXPECT_EQ(reader->skip(6 - read), 6 - read);
    EXPECT_EQ(reader->next()->text, kTexts[6]);
    EXPECT_FALSE(reader->next());
  }
}

/// As ranks do that take turns.
TEST(ParquetRows, RowsMayBeSkippedAgainAndAgain) {
  const testing::TempFolder folder;
  const std::string file = folder / "a.parquet";
  tests::write_parquet(file, kTexts, 3);
  const auto reader = open_text(spec(file));
  int64_t position = 0;
  for (const int64_t wanted : {1, 3, 6}) {
    EXPECT_EQ(reader->skip(wanted - position), wanted - position);
    EXPECT_EQ(reader->next()->text, kTexts[wanted]);
    position = wanted + 1;
  }
  EXPECT_EQ(reader->skip(1), 0);
}

}  // namespace
}  // namespace qk::source
