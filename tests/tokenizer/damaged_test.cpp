/// tests/data/broken/tokenizer/: each file is refused, for the damage that its name tells.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "tests/base/temporary_folder.h"
#include "tests/tokenizer/fixtures.h"
#include "tokenizer/tokenizer.h"

namespace qk::tokenizer {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using Reasons = std::map<std::string, std::string>;

const fs::path kFolder = fs::path(QK_SOURCE_DIR) / "tests/data/broken/tokenizer";

const Reasons kTokenizerReasons = {
    {"added_token_without_content", "missing field `content`"},
    {"cut_in_half", "EOF"},
    {"empty", "EOF"},
    {"git_lfs_pointer", "Git LFS pointer"},
    {"html_page", "expected value"},
    {"json_list", "expected"},
    {"json_null", "invalid type: null"},
    {"merge_of_three_pieces", "Merges text file invalid"},
    {"merge_of_unknown_piece", "out of vocabulary"},
    {"model_missing", "Model missing"},
    {"model_type_unknown", "Model"},
    {"nested_too_deep", "recursion limit"},
    {"not_utf8", "unicode"},
    {"regex_does_not_compile", "parenthesis"},
    {"template_token_undefined", "the tokenizers crate panicked"},
    {"version_unknown", "version"},
    {"vocabulary_id_above_32_bits", "4294967296"},
    {"vocabulary_id_negative", "-3"},
};

const Reasons kConfigReasons = {
    {"bos_token_is_a_number", "bos_token must be a string"},
    {"cut_short", "is not JSON"},
    {"decoder_flag_is_a_string", "lstrip must be true or false"},
    {"decoder_is_a_list", "added_tokens_decoder must be an object"},
    {"decoder_key_is_no_id", "added_tokens_decoder.first must be under an id"},
    {"empty", "is not JSON"},
    {"extra_special_tokens_is_a_string", "extra_special_tokens must be a list"},
    {"json_list", "no JSON object"},
    {"pad_token_without_content", "pad_token must be a string, or an object with"},
    {"split_special_tokens_is_a_string", "split_special_tokens must be true or false"},
};

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file()) names.insert(entry.path().stem().string());
  }
  return names;
}

std::set<std::string> names_in(const Reasons& reasons) {
  std::set<std::string> names;
  for (const auto& [name, reason] : reasons) names.insert(name);
  return names;
}

TEST(DamagedTokenizers, AreEachRefusedForTheirDamage) {
  const tests::TemporaryFolder folder;
  for (const auto& [name, reason] : kTokenizerReasons) {
    const fs::path file = folder.write("tokenizer.json", read_file(kFolder / (name + ".json")));
    const std::string message = tests::tokenizer_error_of([&] { Tokenizer::open(folder.path()); });
    EXPECT_THAT(message, HasSubstr(file.string())) << name;
    EXPECT_THAT(message, HasSubstr(reason)) << name;
  }
}

TEST(DamagedTokenizers, AreRefusedForTheirConfig) {
  const tests::TemporaryFolder folder;
  folder.write("tokenizer.json", tests::fixture_json("byte_level"));
  for (const auto& [name, reason] : kConfigReasons) {
    const std::string content = read_file(kFolder / "config" / (name + ".json"));
    const fs::path file = folder.write("tokenizer_config.json", content);
    const std::string message = tests::tokenizer_error_of([&] { Tokenizer::open(folder.path()); });
    EXPECT_THAT(message, HasSubstr(file.string())) << name;
    EXPECT_THAT(message, HasSubstr(reason)) << name;
  }
}

TEST(DamagedTokenizers, AreAllInTheTables) {
  EXPECT_EQ(names_in(kFolder), names_in(kTokenizerReasons));
  EXPECT_EQ(names_in(kFolder / "config"), names_in(kConfigReasons));
}

/// What opens must also encode or refuse; nothing may crash.
void open_and_use(const fs::path& folder) {
  try {
    const Tokenizer tokenizer = Tokenizer::open(folder);
    for (const int32_t id : tokenizer.encode("The heron <|end|> waited: 24,017 é 😀", 20).ids) {
      tokenizer.token(id);
    }
  } catch (const TokenizerError& error) {
    EXPECT_STRNE(error.what(), "");
  }
}

class AnyDamage : public testing::TestWithParam<const char*> {
 protected:
  const tests::TemporaryFolder folder_;
  const std::string whole_ = tests::fixture_json(GetParam());
};

TEST_P(AnyDamage, ByCuttingIsAnError) {
  for (size_t size = 0; size + 2 < whole_.size(); size += 499) {
    folder_.write("tokenizer.json", whole_.substr(0, size));
    EXPECT_THROW(Tokenizer::open(folder_.path()), TokenizerError) << size;
  }
}

TEST_P(AnyDamage, ByAChangedByteDoesNotCrash) {
  std::mt19937 random(1);
  for (int round = 0; round < 100; ++round) {
    std::string changed = whole_;
    changed[random() % changed.size()] = static_cast<char>(' ' + random() % 95);
    folder_.write("tokenizer.json", changed);
    open_and_use(folder_.path());
  }
}

INSTANTIATE_TEST_SUITE_P(DamagedTokenizers, AnyDamage,
                         testing::Values("byte_level", "byte_fallback"),
                         [](const auto& row) { return std::string(row.param); });

}  // namespace
}  // namespace qk::tokenizer
