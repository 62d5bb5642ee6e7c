#include "source/example_id.h"

#include "tests/source/fixtures.h"

namespace qk::source {
namespace {

using Json = nlohmann::json;

/// The golden file's values as a reader would give them; lists come as their Python text.
IdValue to_id(const Json& value, const std::string& python_text) {
  if (value.is_null()) return std::monostate{};
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_string()) return value.get<std::string>();
  const bool integer = python_text.find_first_not_of("-0123456789") == std::string::npos;
  if (value.is_number() && !integer) return value.get<double>();
  const bool fits = value.is_number_integer() &&
                    (!value.is_number_unsigned() || value.get<uint64_t>() <= INT64_MAX);
  return fits ? IdValue(value.get<int64_t>()) : IdValue(python_text);
}

TEST(ExampleId, EqualsTheReferenceForEveryKindOfValue) {
  const Json golden = Json::parse(testing::read_whole(testing::data_folder() / "example_ids.json"));
  ASSERT_EQ(golden.at("example_ids").size(), 22u);
  for (const Json& item : golden.at("example_ids")) {
    const std::string text = item.at("python_str");
    const IdValue id = to_id(item.at("value"), text);
    EXPECT_EQ(python_str(id), text);
    EXPECT_EQ(std::to_string(example_id(id)), item.at("id").get<std::string>()) << text;
    EXPECT_EQ(static_cast<int32_t>(example_id(id)), item.at("stored_int32").get<int32_t>()) << text;
  }
}

TEST(ExampleId, IntegralFloatBeyondInt64IsHashedAsItsText) {
  EXPECT_EQ(example_id(1e300), example_id(std::string("1e+300")));
  EXPECT_EQ(example_id(0x1p63), example_id(std::string("9.223372036854776e+18")));
  EXPECT_EQ(example_id(-0x1p63), INT64_MIN);
}

TEST(ExampleId, InfinityAndNanAreHashedAsTheirText) {
  EXPECT_EQ(example_id(-INFINITY), example_id(std::string("-inf")));
  EXPECT_EQ(example_id(std::nan("")), example_id(std::string("nan")));
}

}  // namespace
}  // namespace qk::source
