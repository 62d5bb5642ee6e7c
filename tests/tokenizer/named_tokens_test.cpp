#include "tokenizer/named_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/base/temporary_folder.h"
#include "tests/tokenizer/fixtures.h"
#include "tokenizer/ffi/qk_tokenizer.h"

namespace qk::tokenizer {

bool operator==(const NamedToken& a, const NamedToken& b) {
  return a.content == b.content && a.flags == b.flags;
}

void PrintTo(const NamedToken& token, std::ostream* out) {
  *out << token.content << " flags " << token.flags;
}

namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint32_t kRole = QkTokenSpecial | QkTokenKeepExisting;

class NamedTokensTest : public testing::Test {
 protected:
  NamedTokens read(std::string_view config) {
    folder_.write("tokenizer_config.json", config);
    return read_named_tokens(folder_.path());
  }

  const tests::TemporaryFolder folder_;
};

TEST_F(NamedTokensTest, NoFileNamesNothing) {
  const NamedTokens named = read_named_tokens(folder_.path());
  EXPECT_THAT(named.tokens, IsEmpty());
  EXPECT_FALSE(named.split_special_tokens);
}

TEST_F(NamedTokensTest, DecoderComesFirstInOrderOfIds) {
  const NamedTokens named = read(R"({"bos_token": "<s>", "added_tokens_decoder": {
      "10": {"content": "<ten>"}, "9": {"content": "<nine>", "special": true, "lstrip": true}}})");
  EXPECT_THAT(named.tokens,
              ElementsAre(NamedToken{"<nine>", QkTokenSpecial | QkTokenLeftStrip},
                          NamedToken{"<ten>", QkTokenNormalized}, NamedToken{"<s>", kRole}));
}

TEST_F(NamedTokensTest, ATokenNamedTwiceKeepsItsFirstFlags) {
  const NamedTokens named =
      read(R"({"bos_token": "<s>", "eos_token": "<s>", "added_tokens_decoder": {
      "1": {"content": "<s>", "rstrip": true, "single_word": true, "normalized": false}}})");
  EXPECT_THAT(named.tokens, ElementsAre(NamedToken{"<s>", QkTokenRightStrip | QkTokenSingleWord}));
}

TEST_F(NamedTokensTest, RolesComeInTheirOwnOrderBeforeOthers) {
  const NamedTokens named =
      read(R"({"image_token": "<image>", "pad_token": "<pad>", "eos_token": null,
      "bos_token": {"__type": "AddedToken", "content": "<s>", "normalized": true}})");
  EXPECT_THAT(named.tokens, ElementsAre(NamedToken{"<s>", kRole | QkTokenNormalized},
                                        NamedToken{"<pad>", kRole}, NamedToken{"<image>", kRole}));
}

TEST_F(NamedTokensTest, SwitchesAreNoTokens) {
  EXPECT_THAT(read(R"({"add_bos_token": true, "add_eos_token": false})").tokens, IsEmpty());
}

TEST_F(NamedTokensTest, ExtraSpecialTokensComeAsListOrObjectAndUnderTheOldName) {
  EXPECT_THAT(read(R"({"extra_special_tokens": ["<a>", {"content": "<b>"}]})").tokens,
              ElementsAre(NamedToken{"<a>", kRole},
                          NamedToken{"<b>", QkTokenNormalized | QkTokenKeepExisting}));
  EXPECT_THAT(read(R"({"extra_special_tokens": {"image": "<b>"}})").tokens,
              ElementsAre(NamedToken{"<b>", kRole}));
  EXPECT_THAT(read(R"({"additional_special_tokens": ["<a>"]})").tokens,
              ElementsAre(NamedToken{"<a>", kRole}));
  EXPECT_THAT(
      read(R"({"additional_special_tokens": ["<a>"], "extra_special_tokens": ["<b>"]})").tokens,
      ElementsAre(NamedToken{"<b>", kRole}));
}

TEST_F(NamedTokensTest, OlderFilesCountOnlyWithoutDecoder) {
  folder_.write("special_tokens_map.json", R"({"eos_token": "</s>"})");
  folder_.write("added_tokens.json", R"({"<b>": 8, "</s>": 7})");
  EXPECT_THAT(read(R"({"eos_token": "<end>"})").tokens,
              ElementsAre(NamedToken{"</s>", kRole},
                          NamedToken{"<b>", QkTokenNormalized | QkTokenKeepExisting}));
  EXPECT_THAT(read(R"({"eos_token": "<end>", "added_tokens_decoder": {}})").tokens,
              ElementsAre(NamedToken{"<end>", kRole}));
}

TEST_F(NamedTokensTest, ErrorsOfAnOlderFileNameIt) {
  folder_.write("added_tokens.json", R"({"<b>": "eight"})");
  EXPECT_THAT(tests::tokenizer_error_of([&] { read("{}"); }), HasSubstr("added_tokens.json: <b>"));
}

TEST_F(NamedTokensTest, SplitSpecialTokensIsRead) {
  EXPECT_TRUE(read(R"({"split_special_tokens": true})").split_special_tokens);
  EXPECT_FALSE(read(R"({"split_special_tokens": null})").split_special_tokens);
}

}  // namespace
}  // namespace qk::tokenizer
