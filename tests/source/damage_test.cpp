/// Every damaged dataset of tests/data/broken/source ends in a DatasetError that names the file and
/// the place.
#include <set>

#include "tests/source/fixtures.h"

namespace qk::source {
namespace {

using ::testing::HasSubstr;

struct Damage {
  const char* path;
  const char* message;  ///< a part that tells the place or the reason
};

constexpr Damage kDamages[] = {
    {"array_not_closed.json", "the file ends where ',' must be"},
    {"bad_third_line.jsonl", "line 3: not valid JSON"},
    {"card_not_yaml", "README.md: the front matter is not valid YAML"},
    {"checksum_wrong.jsonl.gz", "jsonl.gz"},
    {"comma_missing.json", "line 2: '{' stands where ',' must be"},
    {"cut.jsonl.gz", "Truncated"},
    {"cut.jsonl.zst", "Truncated"},
    {"cut_file.arrow", "arrow"},
    {"cut_in_half.parquet", "not readable as Parquet"},
    {"cut_inside_string.json", "the file ends inside a string"},
    {"cut_last_line.jsonl", "line 2: not valid JSON"},
    {"cut_stream.arrow", "after row 99 (from 0): damaged"},
    {"empty.arrow", "empty"},
    {"empty.parquet", "not readable as Parquet"},
    {"footer_longer_than_file.parquet", "not readable as Parquet"},
    {"garbage_behind_end.jsonl.gz", "jsonl.gz"},
    {"garbled.jsonl.zst", "jsonl.zst"},
    {"garbled_file_footer.arrow", "arrow"},
    {"garbled_footer.parquet", "not readable as Parquet"},
    {"garbled_pages.parquet", "before the first row: damaged"},
    {"magic_missing_at_end.parquet", "not readable as Parquet"},
    {"no_header.csv", "a CSV file needs a header"},
    {"not_arrow.arrow", "arrow"},
    {"not_gzip.jsonl.gz", "jsonl.gz"},
    {"nul_bytes_at_end.jsonl", "line 2: not valid JSON"},
    {"number_as_row.jsonl", "line 2: a row must be an object"},
    {"object_not_closed.json", "the file ends where '}' must be"},
    {"offsets_outside_of_data.arrow", "row 1 (from 0): damaged"},
    {"quotes_not_closed.csv", "line 3: the file ends inside quotes"},
    {"row_is_a_list.json", "row 1 (from 0) on line 1: a row must be an object"},
    {"state_names_missing_file", "data-00000-of-00001.arrow"},
    {"state_not_json", "state.json: not valid JSON"},
    {"too_many_cells.csv", "line 3: 3 cells, but the header has 2"},
    {"two_lists.json", "several lists (a, b)"}};

std::filesystem::path broken_folder() {
  return std::filesystem::path(QK_SOURCE_DIR) / "tests/data/broken/source";
}

TEST(Damage, EndsInAnErrorThatNamesFileAndPlace) {
  for (const Damage& damage : kDamages) {
    SCOPED_TRACE(damage.path);
    const std::string message = testing::error_of(
        {.path = broken_folder() / damage.path, .name = {}, .id_column = {}, .max_samples = {}});
    EXPECT_THAT(message, HasSubstr(damage.message));
    EXPECT_THAT(message, HasSubstr(damage.path));
  }
}

TEST(Damage, IsTestedForEveryDamagedFile) {
  std::set<std::string> there;
  for (const auto& entry : std::filesystem::directory_iterator(broken_folder())) {
    if (entry.path().extension() != ".py") there.insert(entry.path().filename());
  }
  std::set<std::string> tested;
  for (const Damage& damage : kDamages) tested.insert(damage.path);
  EXPECT_EQ(there, tested);
}

/// Whatever is cut off or flipped, reading ends in rows or in a DatasetError.
TEST(Damage, OfAnyByteNeverCrashes) {
  const testing::TempFolder folder;
  for (const char* name : {"types.parquet", "garbled_base.arrow"}) {
    const bool parquet = std::string_view(name).ends_with("parquet");
    const auto source =
        parquet ? testing::data_folder() / name : broken_folder() / "cut_stream.arrow";
    const std::string whole = testing::read_whole(source);
    for (size_t at = 0; at < whole.size(); at += 101) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ 0xFF);
      const DatasetSpec spec{.path = folder.write(name, damaged),
                             .name = {},
                             .id_column = parquet ? "struct" : "id",
                             .max_samples = {}};
      try {
        testing::read_rows(spec);
      } catch (const DatasetError&) {
      }
    }
  }
}

}  // namespace
}  // namespace qk::source
