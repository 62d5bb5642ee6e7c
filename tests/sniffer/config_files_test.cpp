/// Files of the repository that have to do with the config: damaged ones, and docs/config.md.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <set>

#include "base/error.h"
#include "base/files.h"
#include "sniffer/config.h"

namespace qk::sniffer {
namespace {

using testing::HasSubstr;

const std::filesystem::path kSource = QK_SOURCE_DIR;

const std::map<std::string, std::string> kBroken = {
    {"alias_bomb", "more than 100000 values"},
    {"alias_chain_deeper_than_limit", "nested deeper than 64 levels"},
    {"alias_inside_itself", "line 4: an alias inside the value that it stands for"},
    {"alias_unknown", "line 4, column 11: not YAML: the referenced anchor is not defined"},
    {"bool_as_integer", "line 3: inference.batch_size: yes is not an integer"},
    {"both_kinds_off", "both are false, which captures nothing"},
    {"control_character", "line 4: a control character (byte 0x01)"},
    {"device_map_of_modules", "line 4: model.device_map: a mapping is not supported"},
    {"empty", "dataset.path: missing"},
    {"exponent_without_dot", "write 0.001."},
    {"head_sampling_without_count", "capture.head_sampling.count: missing"},
    {"integer_of_65_bits", "18446744073709551616 does not fit 64 bits"},
    {"key_is_bool", "line 4: YAML does not read the key on as text"},
    {"key_is_list", "line 3: a key must be text"},
    {"list_of_sections", "not a config"},
    {"merge_of_text", "line 4: `<<` takes a mapping"},
    {"negative_layer", "line 3: capture.layers[1]: -1 is too small"},
    {"nested_too_deep", "nested deeper than 64 levels"},
    {"not_a_number", ".nan is not finite"},
    {"not_utf8", "not UTF-8"},
    {"nul_in_text", "has a NUL in it"},
    {"number_for_text", "Write \"2024\"."},
    {"only_a_comment", "model.name: missing"},
    {"sampler_is_text", "Allowed: a mapping with the keys type and base_rate."},
    {"section_is_text", "line 3: capture: \"everything\" is not a mapping"},
    {"tab_indentation", "indent with spaces, not with tabs"},
    {"tag_of_python_object", "line 2: the tag !!python/name:os.system is not for a config"},
    {"two_documents", "several documents"},
    {"unclosed_bracket", "line 3, column 24: not YAML"},
    {"unclosed_quote", "not YAML"},
    {"unknown_key", "line 1: dataset.txt_column: unknown key. Did you mean dataset.text_column?"},
    {"unknown_sampler", "Did you mean log_uniform?"},
    {"utf16", "not UTF-8"},
    {"zero_batch_size", "0 is too small"},
};

TEST(BrokenConfig, EachFileIsAConfigErrorThatNamesTheDamage) {
  for (const auto& [damage, expected] : kBroken) {
    const std::filesystem::path file = kSource / "tests/data/broken/config" / (damage + ".yaml");
    try {
      load_config(file, {});
      ADD_FAILURE() << damage << ": no error";
    } catch (const ConfigError& error) {
      EXPECT_THAT(error.what(), HasSubstr(expected)) << damage;
      EXPECT_THAT(error.what(), HasSubstr(file.string())) << damage;
    }
  }
}

TEST(BrokenConfig, NoFileIsLeftOut) {
  std::set<std::string> found;
  for (const auto& entry :
       std::filesystem::directory_iterator(kSource / "tests/data/broken/config")) {
    found.insert(entry.path().stem());
  }
  std::set<std::string> expected;
  for (const auto& [damage, text] : kBroken) expected.insert(damage);
  EXPECT_EQ(found, expected);
}

TEST(ConfigReference, IsTheCommittedPage) {
  EXPECT_EQ(read_file(kSource / "docs/config.md"), config_reference())
      << "write it anew: sniff-qk --config-reference > docs/config.md";
}

TEST(ConfigReference, ItsExampleIsAConfig) {
  const std::string page = config_reference();
  const size_t start = page.find("```yaml\n") + 8;
  const SniffConfig config =
      parse_config(page.substr(start, page.find("```", start) - start), "the example", {});
  EXPECT_EQ(config.capture.head_sampling->count, 300);
}

TEST(ConfigReference, HasARowForEveryKey) {
  const std::string page = config_reference();
  EXPECT_THAT(page, HasSubstr("\n## capture\n"));
  EXPECT_THAT(page,
              HasSubstr("\n| `sampler.type` | log_uniform, uniform or all | `log_uniform` | "));
  EXPECT_THAT(
      page,
      HasSubstr(
          "\n| `head_sampling.count` | an integer, at least 1 | required | heads to draw |\n"));
  EXPECT_THAT(page, HasSubstr("\n| `threads` | an integer, at least 1, or null | `null` | "
                              "CPU threads; null: all cores (*addition*) |\n"));
}

}  // namespace
}  // namespace qk::sniffer
