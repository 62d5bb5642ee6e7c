/// The C border itself: both sides agree, and nothing that a caller passes makes it crash.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <sstream>
#include <string_view>
#include <vector>

#include "tests/tokenizer/fixtures.h"
#include "tokenizer/ffi/qk_tokenizer.h"

namespace qk::tokenizer {
namespace {

using testing::HasSubstr;
using Signatures = std::map<std::string, std::string>;

const std::filesystem::path kCrate = std::filesystem::path(QK_SOURCE_DIR) / "tokenizer/ffi";

/// Rust's and C's names of one type, both written as the C header writes it.
std::string c_type(const std::string& rust) {
  static const std::map<std::string, std::string> kScalars = {
      {"i32", "int32_t"}, {"u32", "uint32_t"}, {"u64", "uint64_t"}, {"c_char", "char"}};
  if (rust.starts_with("*const ")) return "const " + c_type(rust.substr(7)) + "*";
  if (rust.starts_with("*mut ")) return c_type(rust.substr(5)) + "*";
  const auto scalar = kScalars.find(rust);
  return scalar == kScalars.end() ? rust : scalar->second;
}

std::string trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \n");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \n") - first + 1));
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) {
    if (!trimmed(part).empty()) parts.push_back(trimmed(part));
  }
  return parts;
}

struct Declaration {
  std::string before, name, after;
  std::vector<std::string> arguments;
};

/// Every `before start...name(arguments)after` of a text, after up to `end`.
std::vector<Declaration> declarations(const std::string& text, std::string_view start, char end) {
  std::vector<Declaration> found;
  for (size_t at = text.find(start); at != std::string::npos; at = text.find(start, at + 1)) {
    const size_t name = text.find("qk_", at);
    const size_t open = text.find('(', name);
    const size_t close = text.find(')', open);
    const size_t line = text.rfind('\n', at) + 1;
    found.push_back({.before = trimmed(text.substr(line, at - line)),
                     .name = text.substr(name, open - name),
                     .after = trimmed(text.substr(close + 1, text.find(end, close) - close - 1)),
                     .arguments = split(text.substr(open + 1, close - open - 1), ',')});
  }
  return found;
}

Signatures rust_signatures() {
  Signatures found;
  const std::string source = read_file(kCrate / "src/lib.rs");
  for (const Declaration& function : declarations(source, "extern \"C\" fn ", '{')) {
    std::string& signature = found[function.name];
    signature = function.after.empty() ? "void" : c_type(function.after.substr(3));  // "-> i32"
    for (const std::string& argument : function.arguments) {
      signature += ", " + c_type(trimmed(argument.substr(argument.find(':') + 1)));
    }
  }
  return found;
}

Signatures header_signatures() {
  std::string header;
  for (const std::string& line : split(read_file(kCrate / "qk_tokenizer.h"), '\n')) {
    header += line.substr(0, line.find("//")) + "\n";
  }
  Signatures found;
  for (const Declaration& function : declarations(header, " qk_", ';')) {
    std::string& signature = found[function.name];
    signature = function.before;
    for (const std::string& argument : function.arguments) {
      const size_t type_end = argument.find_last_of(" *");
      if (argument != "void") signature += ", " + trimmed(argument.substr(0, type_end + 1));
    }
  }
  return found;
}

TEST(TokenizerBorder, HeaderAndRustDeclareTheSameFunctions) {
  const Signatures rust = rust_signatures();
  EXPECT_EQ(rust.size(), 8u);
  EXPECT_EQ(rust.at("qk_tokenizer_token"),
            "int32_t, const QkTokenizer*, int32_t, QkText*, QkText*");
  EXPECT_EQ(rust, header_signatures());
}

TEST(TokenizerBorder, HeaderAndRustAgreeOnTheirVersionAndSizes) {
  EXPECT_EQ(qk_tokenizer_abi(), QK_TOKENIZER_ABI);
  const std::string rust = read_file(kCrate / "src/lib.rs");
  EXPECT_THAT(rust, HasSubstr(fmt::format("size_of::<QkText>() == {}", sizeof(QkText))));
  EXPECT_THAT(rust, HasSubstr(fmt::format("size_of::<QkEncoding>() == {}", sizeof(QkEncoding))));
  EXPECT_THAT(rust,
              HasSubstr(fmt::format("size_of::<QkAddedToken>() == {}", sizeof(QkAddedToken))));
  EXPECT_THAT(rust, HasSubstr(fmt::format("size_of::<QkOptions>() == {}", sizeof(QkOptions))));
  EXPECT_THAT(rust, HasSubstr(fmt::format("size_of::<QkFacts>() == {}", sizeof(QkFacts))));
}

std::string take(QkText& text) {
  const std::string content(text.data, text.size);
  qk_text_free(text);
  text = {};
  return content;
}

TEST(TokenizerBorder, NullsAreRejectedWithAMessage) {
  QkText error{};
  QkTokenizer* tokenizer = nullptr;
  EXPECT_EQ(qk_tokenizer_open("{}", 2, nullptr, &tokenizer, &error), QkStatusRejected);
  EXPECT_THAT(take(error), HasSubstr("options is null"));

  const QkOptions options{};
  EXPECT_EQ(qk_tokenizer_open(nullptr, 2, &options, &tokenizer, &error), QkStatusRejected);
  EXPECT_THAT(take(error), HasSubstr("a pointer is null"));
  EXPECT_EQ(tokenizer, nullptr);

  QkEncoding encoding{};
  EXPECT_EQ(qk_tokenizer_encode(nullptr, "a", 1, 9, &encoding, &error), QkStatusRejected);
  EXPECT_THAT(take(error), HasSubstr("the tokenizer is null"));
}

TEST(TokenizerBorder, ErrorsMayBeIgnored) {
  const QkOptions options{};
  QkTokenizer* tokenizer = nullptr;
  EXPECT_EQ(qk_tokenizer_open("{", 1, &options, &tokenizer, nullptr), QkStatusRejected);
}

TEST(TokenizerBorder, EmptyThingsMayBeFreed) {
  qk_tokenizer_free(nullptr);
  qk_encoding_free({});
  qk_text_free({});
}

TEST(TokenizerBorder, ImpossibleSizesAreRejected) {
  const QkOptions options{nullptr, UINT64_MAX, 0};
  QkTokenizer* tokenizer = nullptr;
  QkText error{};
  EXPECT_EQ(qk_tokenizer_open("{}", 2, &options, &tokenizer, &error), QkStatusRejected);
  EXPECT_THAT(take(error), HasSubstr("impossible"));
}

TEST(TokenizerBorder, AddedTokensKeepTheirFlags) {
  const std::string json = tests::fixture_json("byte_level");
  const QkAddedToken token{"<mark>", 6, QkTokenSpecial | QkTokenLeftStrip};
  const QkOptions options{&token, 1, 0};
  QkTokenizer* tokenizer = nullptr;
  ASSERT_EQ(qk_tokenizer_open(json.data(), json.size(), &options, &tokenizer, nullptr), QkStatusOk);

  QkFacts facts{};
  EXPECT_EQ(qk_tokenizer_facts(tokenizer, &facts, nullptr), QkStatusOk);
  EXPECT_EQ(facts.vocabulary_size, 361u);
  EXPECT_EQ(facts.special_tokens_per_text, 1u);

  QkEncoding encoding{};
  ASSERT_EQ(qk_tokenizer_encode(tokenizer, "  <mark>", 8, 9, &encoding, nullptr), QkStatusOk);
  EXPECT_EQ(std::vector<int32_t>(encoding.ids, encoding.ids + encoding.count),
            (std::vector<int32_t>{0, 360}));
  qk_encoding_free(encoding);

  QkText piece{};
  EXPECT_EQ(qk_tokenizer_token(tokenizer, 360, &piece, nullptr), QkStatusOk);
  EXPECT_EQ(take(piece), "<mark>");
  EXPECT_EQ(qk_tokenizer_token(tokenizer, 361, &piece, nullptr), QkStatusUnknownId);
  qk_tokenizer_free(tokenizer);
}

}  // namespace
}  // namespace qk::tokenizer
