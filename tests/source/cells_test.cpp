/// Cells of all formats and types against what the Python library gives
/// (tests/data/source/make_cell_cases.py).
#include "tests/source/fixtures.h"

namespace qk::source {
namespace {

using Json = nlohmann::json;
using Strings = std::vector<std::string>;

Json cell_cases() {
  return Json::parse(testing::read_whole(testing::data_folder() / "cell_cases.json"));
}

TEST(Cells, OfTextFormatsPrintAsInPython) {
  const testing::TempFolder folder;
  const Json cases = cell_cases();
  ASSERT_GT(cases.at("files").size(), 20u);
  for (const Json& item : cases.at("files")) {
    SCOPED_TRACE(item.at("file").get<std::string>());
    const std::string path = folder.write(item.at("file"), item.at("content").get<std::string>());
    const std::vector<TextRow> rows =
        testing::read_rows({.path = path, .name = {}, .id_column = "id", .max_samples = {}});
    EXPECT_EQ(testing::ids_of(rows), item.at("ids").get<Strings>());
    EXPECT_EQ(testing::texts_of(rows), item.at("texts").get<Strings>());
  }
}

TEST(Cells, OfEveryParquetTypePrintAsInPython) {
  const Json cases = cell_cases();
  const std::string path = testing::data_folder() / "types.parquet";
  ASSERT_GT(cases.at("types.parquet").size(), 30u);
  for (const auto& [column, expected] : cases.at("types.parquet").items()) {
    SCOPED_TRACE(column);
    const auto rows =
        testing::read_rows({.path = path, .name = {}, .id_column = column, .max_samples = {}});
    EXPECT_EQ(testing::ids_of(rows), expected.get<Strings>());
  }
}

}  // namespace
}  // namespace qk::source
