#include "tokenizer/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/base/temporary_folder.h"
#include "tests/tokenizer/fixtures.h"

namespace qk::tokenizer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using tests::fixture_json;
using tests::tokenizer_error_of;
using tests::tokenizer_fixture;

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

json expected_of(const std::string& name) {
  return json::parse(read_file(tokenizer_fixture(name) / "expected.json"));
}

class PythonsExpectation : public testing::TestWithParam<const char*> {
 protected:
  const json expected_ = expected_of(GetParam());
  const Tokenizer tokenizer_ = Tokenizer::open(tokenizer_fixture(GetParam()));
};

TEST_P(PythonsExpectation, IdsAreEqualAtEveryLength) {
  ASSERT_GT(expected_["cases"].size(), 0u);
  for (const json& want : expected_["cases"]) {
    const auto text = want["text"].get<std::string>();
    const Encoding got = tokenizer_.encode(text, want["max_length"].get<int64_t>());
    EXPECT_EQ(got.ids, want["ids"].get<std::vector<int32_t>>()) << want["max_length"] << text;
  }
}

TEST_P(PythonsExpectation, PiecesAreEqual) {
  for (const json& want : expected_["cases"]) {
    for (size_t i = 0; i < want["ids"].size(); ++i) {
      EXPECT_EQ(tokenizer_.token(want["ids"][i].get<int32_t>()),
                want["tokens"][i].get<std::string>());
    }
  }
}

TEST_P(PythonsExpectation, CountsAreEqual) {
  EXPECT_EQ(tokenizer_.vocabulary_size(), expected_["vocabulary_size"]);
  EXPECT_EQ(tokenizer_.special_tokens_per_text(), expected_["special_tokens_per_text"]);
}

INSTANTIATE_TEST_SUITE_P(Tokenizer, PythonsExpectation,
                         testing::Values("byte_level", "byte_fallback", "named_tokens",
                                         "older_files"),
                         [](const auto& row) { return std::string(row.param); });

TEST(Tokenizer, TruncatesAtTheEndAndKeepsSpecialTokens) {
  const Tokenizer tokenizer = Tokenizer::open(tokenizer_fixture("byte_fallback"));  // <s> text </s>
  const std::string text = "The heron waited in the water.";
  const Encoding whole = tokenizer.encode(text, kNoLimit);
  EXPECT_FALSE(whole.truncated);

  const auto length = static_cast<int64_t>(whole.ids.size());
  EXPECT_FALSE(tokenizer.encode(text, length).truncated);
  const Encoding cut = tokenizer.encode(text, length - 1);
  EXPECT_TRUE(cut.truncated);

  std::vector<int32_t> want(whole.ids.begin(), whole.ids.end() - 2);
  want.push_back(whole.ids.back());
  EXPECT_EQ(cut.ids, want);
}

TEST(Tokenizer, AnyPrefixLengthIsThePrefixOfTheWholeText) {
  const Tokenizer tokenizer = Tokenizer::open(tokenizer_fixture("byte_level"));
  const std::string text = "The heron <|end|> waited <|end|><|end|> in the water, 24,017 times.";
  const std::vector<int32_t> whole = tokenizer.encode(text, kNoLimit).ids;
  for (size_t length = 1; length <= whole.size(); ++length) {
    const Encoding part = tokenizer.encode(text, static_cast<int64_t>(length));
    EXPECT_EQ(part.ids, std::vector<int32_t>(whole.begin(), whole.begin() + length));
    EXPECT_EQ(part.truncated, length < whole.size());
  }
}

TEST(Tokenizer, KeepsOnlySpecialTokensWhenThereIsNoRoomForMore) {
  const Tokenizer tokenizer = Tokenizer::open(tokenizer_fixture("byte_fallback"));
  const Encoding none = tokenizer.encode("heron", 2);
  EXPECT_EQ(none.ids, (std::vector<int32_t>{1, 2}));
  EXPECT_TRUE(none.truncated);
  EXPECT_FALSE(tokenizer.encode("", 2).truncated);
}

TEST(Tokenizer, RejectsLengthBelowTheSpecialTokens) {
  const Tokenizer tokenizer = Tokenizer::open(tokenizer_fixture("byte_fallback"));
  for (const int64_t length :
       {int64_t{1}, int64_t{0}, int64_t{-1}, std::numeric_limits<int64_t>::min()}) {
    EXPECT_THAT(tokenizer_error_of([&] { tokenizer.encode("heron", length); }),
                AllOf(HasSubstr(std::to_string(length)), HasSubstr("2 special tokens"),
                      HasSubstr("tokenizer.max_length")));
  }
}

TEST(Tokenizer, TakesNulBytesAsText) {
  const Tokenizer tokenizer = Tokenizer::open(tokenizer_fixture("byte_fallback"));
  const Encoding nul = tokenizer.encode(std::string_view("a\0", 2), kNoLimit);
  ASSERT_EQ(nul.ids.size(), tokenizer.encode("a", kNoLimit).ids.size() + 1);
  EXPECT_EQ(tokenizer.token(nul.ids[nul.ids.size() - 2]), "<0x00>");
}

TEST(Tokenizer, RejectsTextThatIsNotUtf8AndSaysWhere) {
  const Tokenizer tokenizer = Tokenizer::open(tokenizer_fixture("byte_level"));
  EXPECT_THAT(tokenizer_error_of([&] { tokenizer.encode("heron\xff", 10); }),
              HasSubstr("not UTF-8 at byte 5"));
  EXPECT_THROW(tokenizer.encode("\xed\xa0\x80", 10), TokenizerError);  // half a surrogate pair
}

TEST(Tokenizer, GivesNoPieceForUnknownIds) {
  const Tokenizer tokenizer = Tokenizer::open(tokenizer_fixture("byte_level"));
  const auto size = static_cast<int32_t>(tokenizer.vocabulary_size());
  EXPECT_NE(tokenizer.token(size - 1), "");
  EXPECT_EQ(tokenizer.token(size), "");
  EXPECT_EQ(tokenizer.token(-1), "");
  EXPECT_EQ(tokenizer.token(std::numeric_limits<int32_t>::max()), "");
}

TEST(Tokenizer, SurvivesBeingMoved) {
  Tokenizer first = Tokenizer::open(tokenizer_fixture("byte_level"));
  const std::vector<int32_t> want = first.encode("heron", 10).ids;
  Tokenizer second = Tokenizer::open(tokenizer_fixture("byte_fallback"));
  second = std::move(first);
  EXPECT_EQ(second.encode("heron", 10).ids, want);
}

TEST(Tokenizer, GivesEveryThreadTheSameIds) {
  const Tokenizer tokenizer = Tokenizer::open(tokenizer_fixture("byte_level"));
  const json cases = expected_of("byte_level")["cases"];
  std::vector<int> wrong(8, 0);
  std::vector<std::thread> threads;
  for (int& count : wrong) {
    threads.emplace_back([&] {
      for (int round = 0; round < 5; ++round) {
        for (const json& want : cases) {
          const auto text = want["text"].get<std::string>();
          const Encoding got = tokenizer.encode(text, want["max_length"].get<int64_t>());
          count += json(got.ids) != want["ids"];
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(wrong, testing::Each(0));
}

TEST(Tokenizer, FailsToEncodeWhatTheVocabularyCannotSpell) {
  const tests::TemporaryFolder folder;
  json file = json::parse(fixture_json("byte_fallback"));
  file["model"]["unk_token"] = "<missing>";
  file["model"]["byte_fallback"] = false;
  folder.write("tokenizer.json", file.dump());
  const Tokenizer tokenizer = Tokenizer::open(folder.path());
  EXPECT_THAT(tokenizer_error_of([&] { tokenizer.encode("§", 10); }), HasSubstr("<missing>"));
}

TEST(Tokenizer, NeedsNoOtherFile) {
  const tests::TemporaryFolder folder;
  folder.write("tokenizer.json", fixture_json("byte_level"));
  EXPECT_EQ(Tokenizer::open(folder.path()).vocabulary_size(), 360);
}

TEST(Tokenizer, NamesTheFolderThatDoesNotExist) {
  const tests::TemporaryFolder folder;
  const fs::path missing = folder.path() / "nowhere";
  EXPECT_THAT(tokenizer_error_of([&] { Tokenizer::open(missing); }),
              AllOf(HasSubstr(missing.string()), HasSubstr("no such folder")));
}

TEST(Tokenizer, NamesTheFolderWithoutTokenizerJson) {
  const tests::TemporaryFolder folder;
  EXPECT_THAT(tokenizer_error_of([&] { Tokenizer::open(folder.path()); }),
              AllOf(HasSubstr(folder.path().string()), HasSubstr("no tokenizer.json")));
}

TEST(Tokenizer, SaysWhatToDoWithOtherKindsOfTokenizer) {
  for (const char* other : {"tekken.json", "tekken_240911.json", "tokenizer.model",
                            "tokenizer.model.v3", "sentencepiece.bpe.model", "vocab.txt"}) {
    const tests::TemporaryFolder folder;
    folder.write(other, "any");
    EXPECT_THAT(tokenizer_error_of([&] { Tokenizer::open(folder.path()); }),
                AllOf(HasSubstr("only " + std::string(other)), HasSubstr("save_pretrained"),
                      HasSubstr("tokenizer.name")));
  }
}

}  // namespace
}  // namespace qk::tokenizer
