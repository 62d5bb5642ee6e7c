#include "checkpoint/hf_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/base/temporary_folder.h"
#include "tests/checkpoint/errors.h"

namespace qk::checkpoint {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StrEq;
using tests::checkpoint_error_of;
using tests::TemporaryFolder;

HfConfig config_of(const std::string& text) {
  return HfConfig(nlohmann::json::parse(text), "m/config.json");
}

/// Through a file, as users' configs come.
HfConfig opened(const std::string& text) {
  const TemporaryFolder folder;
  folder.write("config.json", text);
  return HfConfig::open(folder.path());
}

std::string open_error(const std::string& text) {
  const std::string message = checkpoint_error_of([&] { opened(text); });
  EXPECT_THAT(message, HasSubstr("config.json: "));
  return message;
}

TEST(HfConfig, TellsAbsentFromNull) {
  const HfConfig config = config_of(R"({"null":null,"set":1,"object":{}})");
  EXPECT_TRUE(config.has("null"));
  EXPECT_TRUE(config.is_null("null"));
  EXPECT_FALSE(config.is_set("null"));
  EXPECT_TRUE(config.has("set"));
  EXPECT_FALSE(config.is_null("set"));
  EXPECT_TRUE(config.is_set("set"));
  EXPECT_FALSE(config.has("absent"));
  EXPECT_FALSE(config.is_null("absent"));
  EXPECT_FALSE(config.is_set("absent"));
  EXPECT_TRUE(config.is_object("object"));
  EXPECT_FALSE(config.is_object("set"));
  EXPECT_FALSE(config.is_object("absent"));
}

TEST(HfConfig, GivesValuesOfTheirType) {
  const HfConfig config =
      config_of(R"({"i":-7,"f":1e-6,"b":true,"t":"x","is":[1,2],"ts":["a","b"],"none":[]})");
  EXPECT_EQ(config.integer("i"), -7);
  EXPECT_EQ(config.number("f"), 1e-6);
  EXPECT_EQ(config.number("i"), -7.0);
  EXPECT_TRUE(config.boolean("b"));
  EXPECT_EQ(config.text("t"), "x");
  EXPECT_THAT(config.integers("is"), ElementsAre(1, 2));
  EXPECT_THAT(config.texts("ts"), ElementsAre("a", "b"));
  EXPECT_TRUE(config.texts("none").empty());
}

TEST(HfConfig, TakesWholeFloatsAsIntegers) {
  const HfConfig config = config_of(R"({"whole":8.0,"large":1e6,"half":8.5,"huge":1e19})");
  EXPECT_EQ(config.integer("whole"), 8);
  EXPECT_EQ(config.integer("large"), 1'000'000);
  EXPECT_THAT(checkpoint_error_of([&] { config.integer("half"); }), HasSubstr("8.5"));
  EXPECT_THAT(checkpoint_error_of([&] { config.integer("huge"); }),
              HasSubstr("expected an integer"));
}

TEST(HfConfig, HoldsIntegersOf64Bits) {
  const HfConfig config = config_of(
      R"({"most":9223372036854775807,"least":-9223372036854775808,"over":9223372036854775808})");
  EXPECT_EQ(config.integer("most"), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(config.integer("least"), std::numeric_limits<int64_t>::min());
  EXPECT_THAT(checkpoint_error_of([&] { config.integer("over"); }),
              HasSubstr("9223372036854775808"));
}

TEST(HfConfig, TakesNoBooleanForANumber) {
  const HfConfig config = config_of(R"({"b":true,"i":1})");
  EXPECT_THAT(checkpoint_error_of([&] { config.integer("b"); }), HasSubstr("true"));
  EXPECT_THAT(checkpoint_error_of([&] { config.number("b"); }), HasSubstr("true"));
  EXPECT_THAT(checkpoint_error_of([&] { config.boolean("i"); }),
              HasSubstr("expected true or false"));
}

TEST(HfConfig, NamesFileKeyAndValueInErrors) {
  const HfConfig config = config_of(R"({"t":"x","n":null,"l":[1,"a"]})");
  EXPECT_THAT(checkpoint_error_of([&] { config.integer("t"); }),
              StrEq(R"(m/config.json: t: expected an integer, found "x")"));
  EXPECT_THAT(checkpoint_error_of([&] { config.integer("gone"); }),
              StrEq("m/config.json: gone is missing; expected an integer"));
  EXPECT_THAT(checkpoint_error_of([&] { config.number("n"); }), HasSubstr("found null"));
  EXPECT_THAT(checkpoint_error_of([&] { config.integers("l"); }), HasSubstr(R"([1,"a"])"));
  EXPECT_THAT(checkpoint_error_of([&] { config.texts("t"); }), HasSubstr("a list of texts"));
}

TEST(HfConfig, NamesThePathOfNestedKeys) {
  const HfConfig config = config_of(R"({"text_config":{"rope_scaling":{"factor":8.0}}})");
  const HfConfig text = config.object("text_config");
  EXPECT_EQ(text.where(), "m/config.json: text_config");
  const HfConfig rope = text.object("rope_scaling");
  EXPECT_EQ(rope.number("factor"), 8.0);
  EXPECT_THAT(checkpoint_error_of([&] { rope.text("rope_type"); }),
              HasSubstr("m/config.json: text_config.rope_scaling.rope_type is missing"));
  EXPECT_THAT(checkpoint_error_of([&] { rope.object("factor"); }), HasSubstr("expected an object"));
}

TEST(HfConfig, FallsBackOnlyWhenAbsent) {
  const HfConfig config = config_of(R"({"i":1,"f":2.5,"b":false,"t":"x","n":null})");
  EXPECT_EQ(config.integer("i", 9), 1);
  EXPECT_EQ(config.integer("gone", 9), 9);
  EXPECT_EQ(config.number("f", 9.5), 2.5);
  EXPECT_EQ(config.number("gone", 9.5), 9.5);
  EXPECT_FALSE(config.boolean("b", true));
  EXPECT_TRUE(config.boolean("gone", true));
  EXPECT_EQ(config.text("t", "y"), "x");
  EXPECT_EQ(config.text("gone", "y"), "y");
  EXPECT_THAT(checkpoint_error_of([&] { config.integer("n", 9); }), HasSubstr("found null"));
  EXPECT_THAT(checkpoint_error_of([&] { config.text("i", "y"); }), HasSubstr("expected a text"));
}

TEST(HfConfig, ReadsNullAsNothingWhereAsked) {
  const HfConfig config = config_of(R"({"i":1,"f":2.5,"n":null})");
  EXPECT_EQ(config.optional_integer("i"), 1);
  EXPECT_EQ(config.optional_integer("n", 9), std::nullopt);
  EXPECT_EQ(config.optional_integer("gone", 9), 9);
  EXPECT_EQ(config.optional_integer("gone"), std::nullopt);
  EXPECT_EQ(config.optional_number("f"), 2.5);
  EXPECT_EQ(config.optional_number("n", 9.5), std::nullopt);
  EXPECT_EQ(config.optional_number("gone", 9.5), 9.5);
  EXPECT_THAT(checkpoint_error_of([&] { config.optional_integer("f"); }), HasSubstr("2.5"));
}

TEST(HfConfigFile, KeepsNaNAndInfinityOutOfNumbers) {
  const HfConfig config =
      opened(R"({"limit":[0.0,Infinity],"nan":NaN,"low":-Infinity,"text":"a \"NaN\" Infinity"})");
  EXPECT_EQ(config.text("text"), "a \"NaN\" Infinity");
  EXPECT_THAT(checkpoint_error_of([&] { config.number("nan"); }), HasSubstr("\"NaN\""));
  EXPECT_THAT(checkpoint_error_of([&] { config.number("low"); }), HasSubstr("\"-Infinity\""));
  EXPECT_THAT(checkpoint_error_of([&] { config.optional_number("nan"); }), HasSubstr("\"NaN\""));
}

TEST(HfConfig, TakesNoInfiniteNumberFromOverrides) {
  const HfConfig config({{"x", std::numeric_limits<double>::infinity()}}, "m/config.json");
  EXPECT_THAT(checkpoint_error_of([&] { config.number("x"); }), HasSubstr("x: expected a number"));
}

TEST(HfConfigFile, KeepsTheLastOfRepeatedKeys) {
  EXPECT_EQ(opened(R"({"a":1,"a":2})").integer("a"), 2);
}

TEST(HfConfigFile, SkipsByteOrderMark) {
  EXPECT_EQ(opened("\xef\xbb\xbf{\"a\":1}").integer("a"), 1);
}

TEST(HfConfigFile, RejectsWhatIsNoJsonObject) {
  EXPECT_THAT(open_error(""), HasSubstr("not JSON"));
  EXPECT_THAT(open_error(R"({"a":1)"), HasSubstr("not JSON, from byte 7"));
  EXPECT_THAT(open_error(R"({"a":Nan})"), HasSubstr("not JSON"));
  EXPECT_THAT(open_error(R"({"a":"unended \)"), HasSubstr("not JSON"));
  EXPECT_THAT(open_error("{\"a\":\"\xc3\x28\"}"), HasSubstr("not JSON"));
  EXPECT_THAT(open_error("[1]"), HasSubstr("expected a JSON object, found array"));
  EXPECT_THAT(open_error("null"), HasSubstr("found null"));
}

TEST(HfConfigFile, RejectsDeepNesting) {
  EXPECT_THAT(open_error(R"({"a":)" + std::string(100'000, '[')),
              HasSubstr("nested deeper than 64"));
  EXPECT_TRUE(opened(R"({"a":)" + std::string(63, '[') + std::string(63, ']') + "}").has("a"));
}

TEST(HfConfigFile, NamesMissingFile) {
  EXPECT_THAT(checkpoint_error_of([] { HfConfig::open("/absent/folder"); }),
              AllOf(HasSubstr("/absent/folder/config.json"), HasSubstr("no such file")));
}

}  // namespace
}  // namespace qk::checkpoint
