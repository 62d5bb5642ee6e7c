#include "source/json_row.h"

#include "tests/source/fixtures.h"

namespace qk::source {
namespace {

using ::testing::HasSubstr;

Row parse(std::string text, const Columns& columns = {"text", "id"}) {
  return parse_json_row(text, columns, "f, line 1");
}

std::string text_of(const Row& row) { return std::get<std::string>(row.text); }

std::string error_of(const std::string& text) {
  try {
    parse(text);
  } catch (const DatasetError& error) {
    return error.what();
  }
  ADD_FAILURE() << text << " is no error";
  return "";
}

TEST(JsonRow, KeepsTheDigitsOfIntegersOfAnySize) {
  EXPECT_EQ(python_str(parse(R"({"id": 9223372036854775808})").id), "9223372036854775808");
  EXPECT_EQ(python_str(parse(R"({"id": -1180591620717411303424})").id), "-1180591620717411303424");
  EXPECT_EQ(python_str(parse(R"({"id": [1180591620717411303424]})").id),
            "[1180591620717411303424]");
  EXPECT_EQ(std::get<int64_t>(parse(R"({"id": -9223372036854775808})").id), INT64_MIN);
}

TEST(JsonRow, KeysOfNestedObjectsAreNotColumns) {
  const Row row = parse(
      R"({"meta": {"text": "no", "id": 1, "x": [{"id": 2}]}, "text": "yes", "id": {"id": 3}})");
  EXPECT_EQ(text_of(row), "yes");
  EXPECT_EQ(python_str(row.id), "{'id': 3}");
}

TEST(JsonRow, LastOfEqualKeysCounts) {
  EXPECT_EQ(text_of(parse(R"({"text": "a", "text": "b"})")), "b");
}

TEST(JsonRow, SaysWhatTheTextIsWhenItIsNoText) {
  EXPECT_TRUE(std::holds_alternative<std::monostate>(parse(R"({"text": null})").text));
  EXPECT_TRUE(std::holds_alternative<std::monostate>(parse(R"({})").text));
  EXPECT_EQ(std::get<NotText>(parse(R"({"text": 5})").text).type, "int");
  EXPECT_EQ(std::get<NotText>(parse(R"({"text": 0.5})").text).type, "float");
  EXPECT_EQ(std::get<NotText>(parse(R"({"text": true})").text).type, "bool");
  EXPECT_EQ(std::get<NotText>(parse(R"({"text": ["a"]})").text).type, "list");
  EXPECT_EQ(std::get<NotText>(parse(R"({"text": {"a": "b"}})").text).type, "object");
}

TEST(JsonRow, OneColumnMayBeBothTextAndId) {
  const Row row = parse(R"({"text": "a"})", {"text", "text"});
  EXPECT_EQ(text_of(row), "a");
  EXPECT_EQ(python_str(row.id), "a");
}

TEST(JsonRow, StringIsTheColumnText) { EXPECT_EQ(text_of(parse(R"("a b")")), "a b"); }

TEST(JsonRow, ReplacesInvalidUtf8AndHalfSurrogates) {
  const Row bytes = parse("{\"text\": \"a\xFF\"}");
  EXPECT_EQ(text_of(bytes), "a\xEF\xBF\xBD");
  EXPECT_TRUE(bytes.repaired);
  const Row half = parse(R"({"text": "\ud83d!\\ud83d\ud83d\ude42\udc00"})");
  EXPECT_EQ(text_of(half), "\xEF\xBF\xBD!\\ud83d\xF0\x9F\x99\x82\xEF\xBF\xBD");
  EXPECT_TRUE(half.repaired);
  EXPECT_FALSE(parse(R"({"text": "\ud83d\ude42"})").repaired);
}

TEST(JsonRow, TakesNanAndInfinityOutsideOfStrings) {
  const Row row =
      parse(R"({"score": NaN, "id": [-Infinity, Infinity], "text": "NaN \" Infinity"})");
  EXPECT_EQ(text_of(row), "NaN \" Infinity");
  EXPECT_EQ(python_str(row.id), "[-inf, inf]");
  EXPECT_FALSE(row.repaired);
}

TEST(JsonRow, ListsTheKeysInOrder) {
  std::string text = R"({"b": {"x": 1}, "a": NaN})";
  EXPECT_EQ(json_row_columns(text, ""), (std::vector<std::string>{"b", "a"}));
}

TEST(JsonRow, RefusesWhatIsNoRowAndSaysWhere) {
  EXPECT_THAT(error_of(R"({"text": )"), HasSubstr("f, line 1: not valid JSON at byte"));
  EXPECT_THAT(error_of(R"({"text": "a"} x)"), HasSubstr("not valid JSON"));
  EXPECT_THAT(error_of("[1, 2]"), HasSubstr("a row must be an object"));
  EXPECT_THAT(error_of("5"), HasSubstr("a row must be an object"));
  EXPECT_THAT(error_of("null"), HasSubstr("a row must be an object"));
}

}  // namespace
}  // namespace qk::source
