#include "source/utf8.h"

#include <gtest/gtest.h>

namespace qk::source {
namespace {

struct Utf8Case {
  std::string bytes;
  std::string replaced;  ///< as Python's bytes.decode("utf-8", "replace") gives it
};

#define FFFD "\xEF\xBF\xBD"

TEST(Utf8, ReplacesEachMaximalPartAsPythonDoes) {
  const Utf8Case cases[] = {{"\xFF", FFFD},
                            {"a\x80"
                             "b",
                             "a" FFFD "b"},
                            {"\xC0\xAF", FFFD FFFD},                    // overlong
                            {"\xE0\x80\xAF", FFFD FFFD FFFD},           // overlong
                            {"\xED\xA0\x80", FFFD FFFD FFFD},           // surrogate
                            {"\xF4\x90\x80\x80", FFFD FFFD FFFD FFFD},  // above U+10FFFF
                            {"\xE2\x82", FFFD},                         // cut off
                            {"\xF0\x9F\x99", FFFD},                     // cut off
                            {"\xF0\x9F\x99 x", FFFD " x"},  // cut off before another character
                            {"\xE2\x82\xE2\x82\xAC", FFFD "\xE2\x82\xAC"},  // cut off, then whole
                            {"\xF0\x80\x80\x80", FFFD FFFD FFFD FFFD},      // overlong
                            {"12345678\xC3", "12345678" FFFD},              // behind a whole word
                            {std::string("\0\xFE", 2), std::string("\0" FFFD, 4)}};
  for (const Utf8Case& c : cases) {
    std::string text = c.bytes;
    EXPECT_FALSE(is_valid_utf8(text));
    EXPECT_TRUE(replace_invalid_utf8(text));
    EXPECT_EQ(text, c.replaced);
    EXPECT_TRUE(is_valid_utf8(text));
  }
}

TEST(Utf8, LeavesValidTextAlone) {
  for (const std::string valid :
       {"", "plain ascii longer than a word", "na\xC3\xAFve \xE4\xBD\xA0 \xF0\x9F\x99\x82",
        "\xEF\xBF\xBD", "\xF4\x8F\xBF\xBF", "\xED\x9F\xBF\xEE\x80\x80"}) {
    std::string text = valid;
    EXPECT_TRUE(is_valid_utf8(text));
    EXPECT_FALSE(replace_invalid_utf8(text));
    EXPECT_EQ(text, valid);
  }
}

TEST(Utf8, NextCodePointStepsOverWholeCharacters) {
  const std::string text = "a\xC3\xA9\xE4\xBD\xA0\xF0\x9F\x99\x82";
  size_t at = 0;
  EXPECT_EQ(next_code_point(text, at), U'a');
  EXPECT_EQ(next_code_point(text, at), U'\u00e9');
  EXPECT_EQ(next_code_point(text, at), U'\u4f60');
  EXPECT_EQ(next_code_point(text, at), U'\U0001f642');
  EXPECT_EQ(at, text.size());
}

}  // namespace
}  // namespace qk::source
