#include "source/resolve.h"

#include "source/card.h"
#include "tests/source/fixtures.h"

namespace qk::source {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

std::optional<std::string> optional_text(const Json& value) {
  return value.is_null() ? std::nullopt : std::optional(value.get<std::string>());
}

Json to_json(const ResolvedDataset& dataset) {
  Json splits = Json::array();
  for (const SplitFiles& split : dataset.splits)
    splits.push_back({{"split", split.split}, {"files", split.files}});
  return splits;
}

std::string error_of(const DatasetListing& listing, const std::optional<std::string>& config = {}) {
  try {
    resolve(listing, config);
  } catch (const DatasetError& error) {
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

TEST(Resolve, FindsTheFilesThatDatasetsFinds) {
  const Json answers =
      Json::parse(testing::read_whole(testing::data_folder() / "resolver_cases.json"));
  ASSERT_GT(answers.at("cases").size(), 50u);
  for (const Json& item : answers.at("cases")) {
    SCOPED_TRACE(item.at("name").get<std::string>());
    const DatasetListing listing{"folder", item.at("files"), optional_text(item.at("card"))};
    if (item.contains("error")) {
      EXPECT_THROW(resolve(listing, optional_text(item.at("config"))), DatasetError);
      continue;
    }
    const ResolvedDataset dataset = resolve(listing, optional_text(item.at("config")));
    EXPECT_EQ(to_json(dataset), item.at("splits"));
    EXPECT_EQ(name_of(dataset.kind.format), item.at("format").get<std::string>());
  }
}

TEST(Resolve, LeavesOutFilesOfOtherFormats) {
  const DatasetListing listing{"d",
                               {"a.csv", "b.csv.gz", "notes.json"},
                               "---\nconfigs:\n- {config_name: x, data_files: '*'}\n---\n"};
  EXPECT_EQ(resolve(listing, {}).splits.at(0).files,
            (std::vector<std::string>{"a.csv", "b.csv.gz"}));
}

TEST(Resolve, DoesNotDependOnTheOrderOfTheListing) {
  const DatasetListing sorted{"d", {"train-1.csv", "train-2.csv", "test.csv"}};
  const DatasetListing shuffled{"d", {"train-2.csv", "test.csv", "train-1.csv"}};
  EXPECT_EQ(to_json(resolve(sorted, {})), to_json(resolve(shuffled, {})));
}

TEST(Resolve, TakesReaderParametersFromTheCard) {
  const DatasetListing csv{
      "d", {"a.csv"}, "---\nconfigs:\n- config_name: x\n  data_files: a.csv\n  sep: ';'\n---\n"};
  EXPECT_EQ(resolve(csv, {}).kind.options.separator, ';');
  const DatasetListing json{
      "d",
      {"a.json"},
      "---\nconfigs:\n- config_name: x\n  data_files: a.json\n  field: rows\n---\n"};
  EXPECT_EQ(resolve(json, {}).kind.options.field, "rows");
  EXPECT_EQ(resolve({"d", {"a.tsv"}}, {}).kind.options.separator, '\t');
}

TEST(Resolve, RefusesParametersThatWouldChangeTheRows) {
  const auto card = [](const std::string& parameter) {
    return "---\nconfigs:\n- {config_name: x, data_files: a.txt, " + parameter + "}\n---\n";
  };
  EXPECT_THAT(error_of({"d", {"a.txt"}, card("sample_by: document")}),
              HasSubstr("config 'x': sample_by: document: not supported"));
  EXPECT_THAT(error_of({"d", {"a.txt"}, card("encoding: latin-1")}),
              HasSubstr("only UTF-8 is read"));
  EXPECT_EQ(
      resolve({"d", {"a.txt"}, card("encoding: UTF-8, description: words")}, {}).splits.size(), 1u);
}

TEST(Resolve, ErrorsListWhatThereIs) {
  const std::string two =
      "---\nconfigs:\n- {config_name: x, data_files: a.csv}\n- {config_name: y, data_files: "
      "a.csv}\n---\n";
  EXPECT_THAT(error_of({"d", {"a.csv"}, two}), HasSubstr("x, y"));
  EXPECT_THAT(error_of({"d", {"a.csv"}, two}, "z"), HasSubstr("no config 'z'; there are: x, y"));
  EXPECT_THAT(error_of({"d", {"a.png"}}), HasSubstr(".parquet"));
}

TEST(Card, IsEmptyWithoutFrontMatter) {
  EXPECT_TRUE(card_configs("# Title\n---\nconfigs: 1\n---\n", "README.md").empty());
  EXPECT_TRUE(card_configs("---\nlicense: mit\n", "README.md").empty());
  EXPECT_TRUE(card_configs("", "README.md").empty());
  EXPECT_TRUE(card_configs("---", "README.md").empty());
  EXPECT_TRUE(card_configs("---\n---\n", "README.md").empty());
}

TEST(Card, ToleratesCarriageReturnsAndLeadingBlankLines) {
  const auto configs = card_configs(
      "\r\n---\r\nconfigs:\r\n- config_name: a\r\n  data_files: x.csv\r\n---\r\ntext", "README.md");
  ASSERT_EQ(configs.size(), 1u);
  EXPECT_EQ(configs[0].name, "a");
  EXPECT_EQ(configs[0].data_files->at(0).patterns, std::vector<std::string>{"x.csv"});
}

TEST(Card, NamesTheBrokenPlace) {
  const auto error = [](const std::string& yaml) -> std::string {
    try {
      card_configs("---\n" + yaml + "---\n", "d/README.md");
    } catch (const DatasetError& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_THAT(error("configs: [\n"), HasSubstr("d/README.md: the front matter is not valid YAML"));
  EXPECT_THAT(error("- a\n"), HasSubstr("must be a mapping"));
  EXPECT_THAT(error("configs: 3\n"), HasSubstr("configs must be a list"));
  EXPECT_THAT(error("a: 1\na: 2\n"), HasSubstr("'a' twice"));
  EXPECT_THAT(error("configs:\n- config_name: x\n  data_files: {train: a}\n"),
              HasSubstr("configs[0].data_files"));
  EXPECT_THAT(error("configs:\n- config_name: x\n  data_files: [{split: a-b, path: a}]\n"),
              HasSubstr("data_files[0].split"));
}

}  // namespace
}  // namespace qk::source
