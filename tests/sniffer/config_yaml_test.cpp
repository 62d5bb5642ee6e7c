#include "sniffer/config_yaml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace qk::sniffer {
namespace {

using testing::HasSubstr;

/// The scalar that stands alone in a document.
Scalar scalar(const std::string& text) { return parse_yaml(text, "test.yaml")->scalar; }

const YamlNode& value(const YamlPtr& map, const std::string& key) { return *map->find(key)->value; }

std::string text_at(const YamlPtr& map, const std::string& key) { return value(map, key).text; }

std::string error_of(const std::string& yaml) {
  try {
    parse_yaml(yaml, "test.yaml");
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

TEST(PlainScalar, NullHasFiveSpellings) {
  for (const char* text : {"", "~", "null", "Null", "NULL"}) {
    EXPECT_EQ(resolve_plain(text).kind, ScalarKind::Null) << text;
  }
  EXPECT_EQ(resolve_plain("nUll").kind, ScalarKind::Text);
}

TEST(PlainScalar, BoolsAreThoseOfYaml11WithoutSingleLetters) {
  for (const char* text : {"yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"}) {
    EXPECT_EQ(resolve_plain(text).value, nlohmann::json(true)) << text;
  }
  for (const char* text : {"no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"}) {
    EXPECT_EQ(resolve_plain(text).value, nlohmann::json(false)) << text;
  }
  for (const char* text : {"y", "n", "Y", "N", "tRUE", "yEs", "oFF"}) {
    EXPECT_EQ(resolve_plain(text).kind, ScalarKind::Text) << text;
  }
}

TEST(PlainScalar, IntegersAreThoseOfPyYaml) {
  const std::pair<const char*, int64_t> cases[] = {{"0", 0},
                                                   {"+12", 12},
                                                   {"-7", -7},
                                                   {"1_000_000", 1000000},
                                                   {"010", 8},
                                                   {"-010", -8},
                                                   {"0x1F", 31},
                                                   {"0b101", 5},
                                                   {"1:30", 90},
                                                   {"-1:00:30", -3630},
                                                   {"0_7", 7},
                                                   {"9223372036854775807", INT64_MAX},
                                                   {"-9223372036854775808", INT64_MIN}};
  for (const auto& [text, expected] : cases) {
    const Scalar found = resolve_plain(text);
    EXPECT_EQ(found.kind, ScalarKind::Integer) << text;
    EXPECT_EQ(found.value, nlohmann::json(expected)) << text;
  }
  for (const char* text : {"0o17", "08", "1:60", "0xg", "1 000", "--1", "_1", "1e5", "12a"}) {
    EXPECT_EQ(resolve_plain(text).kind, ScalarKind::Text) << text;
  }
  for (const char* text :
       {"9223372036854775808", "-9223372036854775809", "0xffffffffffffffffffff"}) {
    EXPECT_EQ(resolve_plain(text).kind, ScalarKind::HugeInteger) << text;
  }
}

TEST(PlainScalar, FloatsNeedADotAndASignedExponent) {
  const std::pair<const char*, double> cases[] = {
      {"1.5", 1.5},           {".5", 0.5},       {"5.", 5.0},        {"-2.0", -2.0},
      {"1_0.5", 10.5},        {"1.0e+5", 1e5},   {"1.E-3", 1e-3},    {"1:30.5", 90.5},
      {"1.0e+400", INFINITY}, {"1.0e-400", 0.0}, {".inf", INFINITY}, {"-.INF", -INFINITY},
      {"010.5", 10.5}};
  for (const auto& [text, expected] : cases) {
    const Scalar found = resolve_plain(text);
    ASSERT_EQ(found.kind, ScalarKind::Float) << text;
    EXPECT_EQ(found.value.get<double>(), expected) << text;
  }
  EXPECT_TRUE(std::isnan(resolve_plain(".NaN").value.get<double>()));
  for (const char* text : {"1e5", "1.0e5", "-.5", "inf", "nan", ".", "1.2.3", ".Inf5"}) {
    EXPECT_EQ(resolve_plain(text).kind, ScalarKind::Text) << text;
  }
}

TEST(PlainScalar, DatesAreNoText) {
  for (const char* text : {"2025-01-31", "2025-1-1 10:00:00", "2025-01-31T10:00:00.5Z"}) {
    EXPECT_EQ(resolve_plain(text).kind, ScalarKind::Timestamp) << text;
  }
  EXPECT_EQ(resolve_plain("2025-1-1").kind, ScalarKind::Text);
}

TEST(PlainScalar, AVeryLongNumberIsText) {
  EXPECT_EQ(resolve_plain(std::string(1'000'000, '1')).kind, ScalarKind::Text);
}

TEST(FloatText, IsReadBackToTheSameFloat) {
  for (const double number :
       {0.0, 1.0, -2.5, 0.1, 1e20, 1e-7, 1.7976931348623157e308, 5e-324, double(INFINITY)}) {
    const Scalar found = resolve_plain(float_text(number));
    ASSERT_EQ(found.kind, ScalarKind::Float) << float_text(number);
    EXPECT_EQ(found.value.get<double>(), number);
  }
  EXPECT_EQ(float_text(1.0), "1.0");
  EXPECT_EQ(float_text(1e20), "1.0e+20");
}

TEST(Yaml, QuotedScalarsAreText) {
  for (const char* yaml : {"'5'", "\"5\"", "|-\n  5", ">-\n  5", "!!str 5"}) {
    EXPECT_EQ(scalar(yaml).kind, ScalarKind::Text) << yaml;
    EXPECT_EQ(scalar(yaml).value, nlohmann::json("5")) << yaml;
  }
  EXPECT_EQ(scalar("'null'").kind, ScalarKind::Text);
  EXPECT_EQ(scalar("\"\"").kind, ScalarKind::Text);
}

TEST(Yaml, TagsOfScalarsChangeTheirMeaning) {
  EXPECT_EQ(scalar("!!float 1e5").value, nlohmann::json(1e5));
  EXPECT_EQ(scalar("!!int '7'").value, nlohmann::json(7));
  EXPECT_THAT(error_of("!!int x"), HasSubstr("line 1: the tag !!int is not for a config"));
  EXPECT_THAT(error_of("!custom x"), HasSubstr("the tag !custom"));
  EXPECT_THAT(error_of("!!set {a, b}"), HasSubstr("the tag !!set"));
}

TEST(Yaml, AliasesAreTheValueTheyStandFor) {
  const YamlPtr root = parse_yaml("a: &x {b: 1}\nc: *x\nd: &x 2\ne: *x\n", "test.yaml");
  EXPECT_EQ(text_at(root->find("c")->value, "b"), "1");
  EXPECT_EQ(text_at(root, "e"), "2");
}

TEST(Yaml, MergeKeysFillWhatTheMappingDoesNotSay) {
  const YamlPtr root = parse_yaml(
      "base: &base {a: 1, b: 1, c: 1}\n"
      "more: &more {b: 2, d: 2}\n"
      "own: {c: 3, <<: [*more, *base], e: 3}\n",
      "test.yaml");
  const YamlPtr own = root->find("own")->value;
  EXPECT_EQ(own->entries.size(), 5U);
  EXPECT_EQ(text_at(own, "a"), "1");
  EXPECT_EQ(text_at(own, "b"), "2");  // the earlier of a list wins
  EXPECT_EQ(text_at(own, "c"), "3");
  EXPECT_EQ(text_at(own, "d"), "2");
}

TEST(Yaml, AQuotedMergeKeyIsAKey) {
  EXPECT_EQ(text_at(parse_yaml("'<<': 5", "test.yaml"), "<<"), "5");
}

TEST(Yaml, TheLastOfDuplicateKeysHoldsWithAWarning) {
  testing::internal::CaptureStderr();
  const YamlPtr root = parse_yaml("a: 1\nb: 2\na: 3\n", "test.yaml");
  EXPECT_EQ(
      testing::internal::GetCapturedStderr(),
      "warning: test.yaml: line 3: the key a stands here a second time; the last one holds\n");
  EXPECT_EQ(text_at(root, "a"), "3");
  EXPECT_EQ(root->entries.size(), 2U);
}

TEST(Yaml, AMergedKeyIsNoDuplicate) {
  testing::internal::CaptureStderr();
  parse_yaml("a: &x {b: 1}\nc: {<<: *x, b: 2}\n", "test.yaml");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(Yaml, KeysAreTextOrIntegers) {
  EXPECT_EQ(text_at(parse_yaml("{0: a, 'on': b}", "test.yaml"), "0"), "a");
  EXPECT_THAT(error_of("a: 1\non: 2"), HasSubstr("line 2: YAML does not read the key on as text"));
  EXPECT_THAT(error_of("~: 2"), HasSubstr("the key null"));
  EXPECT_THAT(error_of("[a]: 2"), HasSubstr("a key must be text, not a list"));
}

TEST(Yaml, AnEmptyDocumentIsNull) {
  for (const char* yaml : {"", "\n", "# comment\n", "---\n"}) {
    EXPECT_TRUE(parse_yaml(yaml, "test.yaml")->is(ScalarKind::Null)) << yaml;
  }
}

TEST(Yaml, AByteOrderMarkIsSkipped) {
  EXPECT_EQ(text_at(parse_yaml("\xEF\xBB\xBF"
                               "a: 1\n",
                               "test.yaml"),
                    "a"),
            "1");
}

TEST(Yaml, ValuesKnowTheirLine) {
  const YamlPtr root = parse_yaml("a: 1\n\nb:\n  c: 2\n", "test.yaml");
  EXPECT_EQ(root->find("b")->origin, "line 3");
  EXPECT_EQ(value(root->find("b")->value, "c").origin, "line 4");
  EXPECT_EQ(value(parse_yaml("a: 1", "--set x", true), "a").origin, "--set x");
}

TEST(Yaml, EscapesGiveUtf8OrAnError) {
  EXPECT_EQ(scalar("\"\\x85\\u00e9\\U0001F600\\L\"").value,
            nlohmann::json("\u0085\u00e9\U0001F600\u2028"));
  EXPECT_THAT(error_of("\"\\N\""), HasSubstr("line 1: for the escapes \\N and \\_ write"));
  EXPECT_THAT(error_of("\"\\ud800\""), HasSubstr("not YAML"));
}

TEST(Yaml, RefusesMoreThanAMebibyte) {
  EXPECT_EQ(error_of(std::string((1 << 20) + 1, ' ')),
            "test.yaml: larger than 1 MiB; is it a config?");
}

TEST(Yaml, RefusesMergesThatExplode) {
  std::string yaml = "a: &a {";
  for (int i = 0; i < 2000; ++i) yaml += "k" + std::to_string(i) + ": 0, ";
  yaml += "}\nb:\n";
  for (int i = 0; i < 60; ++i) yaml += "  <<: *a\n";
  EXPECT_THAT(error_of(yaml), HasSubstr("merges too much"));
}

TEST(WithValue, LeavesTheOriginalAlone) {
  const YamlPtr root = parse_yaml("a: &x {b: 1}\nc: *x\n", "test.yaml");
  const YamlPtr changed = with_value(root, {"a", "b"}, parse_yaml("2", "--set", true));
  EXPECT_EQ(text_at(root->find("a")->value, "b"), "1");
  EXPECT_EQ(text_at(changed->find("a")->value, "b"), "2");
  EXPECT_EQ(text_at(changed->find("c")->value, "b"), "1");
}

TEST(WithValue, MakesTheMappingsOnTheWay) {
  const YamlPtr root = parse_yaml("a: ~\n", "test.yaml");
  const YamlPtr changed = with_value(root, {"a", "b", "c"}, parse_yaml("2", "--set", true));
  EXPECT_EQ(text_at(changed->find("a")->value->find("b")->value, "c"), "2");
}

}  // namespace
}  // namespace qk::sniffer
