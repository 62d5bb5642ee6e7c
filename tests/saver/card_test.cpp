#include "saver/card.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include "base/error.h"

namespace qk::saver {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

CardInput small_card() {
  CardInput input;
  input.facts = {{"model", "org/model"}, {"dataset_split", "train"}};
  input.configs = {{"l00h00k", 700}, {"l00h00q", 800}};
  input.bucket_counts = {{7, 500}, {10, 1000}};
  input.head_dim = 64;
  input.repo_hint = "org/captured";
  return input;
}

/// The mapping between the first two lines "---".
YAML::Node front_matter(const std::string& card) {
  EXPECT_THAT(card, StartsWith("---\n"));
  const size_t end = card.find("\n---\n", 4);
  EXPECT_NE(end, std::string::npos);
  return YAML::Load(card.substr(4, end - 4));
}

std::string card_with_fact(const std::string& label, const std::string& value) {
  CardInput input = small_card();
  input.facts = {{label, value}};
  return render_card(input);
}

TEST(Card, FrontMatterListsConfigs) {
  const YAML::Node meta = front_matter(render_card(small_card()));
  ASSERT_EQ(meta["configs"].size(), 2);
  const YAML::Node first = meta["configs"][0], second = meta["configs"][1];
  EXPECT_EQ(first["config_name"].as<std::string>(), "l00h00k");
  EXPECT_EQ(first["config_name"].Tag(), "!");  // quoted: "1e5" would stay text
  EXPECT_EQ(first["data_files"].as<std::string>(), "l00h00k/data.parquet");
  EXPECT_EQ(second["data_files"].as<std::string>(), "l00h00q/data.parquet");
}

TEST(Card, FirstConfigIsTheDefault) {
  const YAML::Node meta = front_matter(render_card(small_card()));
  EXPECT_TRUE(meta["configs"][0]["default"].as<bool>());
  EXPECT_FALSE(meta["configs"][1]["default"].IsDefined());
}

TEST(Card, SizeCategoryIsOfAllRows) {
  for (const auto& [rows, category] : {std::pair<int64_t, const char*>{0, "n<1K"},
                                       {999, "n<1K"},
                                       {1'000, "1K<n<10K"},
                                       {9'999'999, "1M<n<10M"},
                                       {999'999'999'999, "100B<n<1T"},
                                       {1'000'000'000'000, "n>1T"}}) {
    CardInput input = small_card();
    input.configs = {{"l00h00q", rows / 2}, {"l00h01q", rows - rows / 2}};
    const YAML::Node meta = front_matter(render_card(input));
    EXPECT_EQ(meta["size_categories"][0].as<std::string>(), category) << rows;
  }
}

TEST(Card, TellsFactsCountsAndConfigs) {
  EXPECT_THAT(render_card(small_card()),
              AllOf(HasSubstr("\n- `model`: `org/model`\n- `dataset_split`: `train`\n"),
                    HasSubstr("\n- `captured_configs`: `2`\n- `captured_rows`: `1500`\n"),
                    HasSubstr("\n- `head_dim`: `64`\n"),
                    HasSubstr("\n- `bucket_counts`: b7=500, b10=1000\n"),
                    EndsWith("| `l00h00k` | 700 |\n| `l00h00q` | 800 |\n")));
}

TEST(Card, NamesFilesBesideTheConfigs) {
  EXPECT_THAT(render_card(small_card()),
              AllOf(HasSubstr("`examples.parquet`"), HasSubstr("`run.json`")));
}

TEST(Card, TellsTokenStringsOnlyWhenThereAreSome) {
  CardInput input = small_card();
  EXPECT_THAT(render_card(input), Not(HasSubstr("token_str")));
  input.token_strings = true;
  EXPECT_THAT(render_card(input), HasSubstr("| `token_str` | string |"));
}

TEST(Card, LoadsFromRepoAndBranch) {
  CardInput input = small_card();
  EXPECT_THAT(render_card(input),
              HasSubstr("load_dataset(\"org/captured\", \"l00h00k\", split=\"train\")\n"));
  input.branch = "a-branch";
  EXPECT_THAT(render_card(input), HasSubstr("split=\"train\", revision=\"a-branch\")\n"));
}

TEST(Card, QuotesRepoForPython) {
  CardInput input = small_card();
  input.repo_hint = "a\"b\\c\n```";
  EXPECT_THAT(render_card(input), HasSubstr(R"(load_dataset("a\"b\\c\n```", )"));
}

TEST(Card, FencesBackticksInFacts) {
  EXPECT_THAT(card_with_fact("a", "x`y"), HasSubstr("- `a`: ``x`y``\n"));
  EXPECT_THAT(card_with_fact("a", "``"), HasSubstr("- `a`: ``` `` ```\n"));
}

TEST(Card, KeepsFactsOnOneLine) {
  EXPECT_THAT(card_with_fact("a", "x\n---\ny\tz"), HasSubstr("- `a`: `x --- y z`\n"));
}

TEST(Card, SaysNoneForEmptyFacts) {
  EXPECT_THAT(card_with_fact("a", ""), HasSubstr("- `a`: (none)\n"));
  EXPECT_THAT(card_with_fact("a", " "), HasSubstr("- `a`: (none)\n"));
}

TEST(Card, ReplacesBrokenUtf8) {
  EXPECT_THAT(card_with_fact("a", "caf\xC3\xA9 \xFF"), HasSubstr("`caf\xC3\xA9 \xEF\xBF\xBD`"));
}

TEST(Card, OfNoRowsIsStillACard) {
  CardInput input = small_card();
  input.configs.clear();
  input.bucket_counts.clear();
  const std::string card = render_card(input);
  EXPECT_FALSE(front_matter(card)["configs"].IsDefined());
  EXPECT_THAT(card, AllOf(HasSubstr("kept no position"), Not(HasSubstr("load_dataset"))));
}

TEST(Card, RejectsConfigNamesThatYamlWouldMangle) {
  CardInput input = small_card();
  input.configs.front().name = "l00\"h00q";
  EXPECT_THROW(render_card(input), InternalError);
}

TEST(Card, ListsThousandsOfConfigs) {
  CardInput input = small_card();
  input.configs.clear();
  for (int layer = 0; layer < 80; ++layer) {
    for (int head = 0; head < 72; ++head) {
      input.configs.push_back({fmt::format("l{:02}h{:02}k", layer, head), 1});
      input.configs.push_back({fmt::format("l{:02}h{:02}q", layer, head), 1});
    }
  }
  const YAML::Node configs = front_matter(render_card(input))["configs"];
  ASSERT_EQ(configs.size(), 11520);
  EXPECT_EQ(configs[11519]["config_name"].as<std::string>(), "l79h71q");
}

}  // namespace
}  // namespace qk::saver
