#include "source/python_text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "source/python_time.h"

namespace qk::source {
namespace {

struct FloatCase {
  double value;
  const char* text;
};

TEST(PythonFloat, WritesWhatReprWrites) {
  const FloatCase cases[] = {{0.0, "0.0"},
                             {-0.0, "-0.0"},
                             {1.0, "1.0"},
                             {-2.5, "-2.5"},
                             {0.1, "0.1"},
                             {100.0, "100.0"},
                             {123456789.125, "123456789.125"},
                             {0.0001, "0.0001"},
                             {0.00012345, "0.00012345"},
                             {0.00001, "1e-05"},
                             {-1.5e-7, "-1.5e-07"},
                             {1e15, "1000000000000000.0"},
                             {1234567890123456.0, "1234567890123456.0"},
                             {9999999999999998.0, "9999999999999998.0"},
                             {1e16, "1e+16"},
                             {1.2345e+22, "1.2345e+22"},
                             {1e100, "1e+100"},
                             {5e-324, "5e-324"},
                             {1.7976931348623157e308, "1.7976931348623157e+308"},
                             {0.30000000000000004, "0.30000000000000004"},
                             {INFINITY, "inf"},
                             {-INFINITY, "-inf"},
                             {std::numeric_limits<double>::quiet_NaN(), "nan"}};
  for (const FloatCase& c : cases) EXPECT_EQ(python_float(c.value), c.text);
}

TEST(PythonQuoted, TakesDoubleQuotesOnlyWhenThatSavesEscapes) {
  EXPECT_EQ(python_quoted("abc"), "'abc'");
  EXPECT_EQ(python_quoted("it's"), "\"it's\"");
  EXPECT_EQ(python_quoted("a\"b"), "'a\"b'");
  EXPECT_EQ(python_quoted("'\""), "'\\'\"'");
}

TEST(PythonQuoted, EscapesWhatIsNotPrintable) {
  EXPECT_EQ(python_quoted("\n\r\t\\"), "'\\n\\r\\t\\\\'");
  EXPECT_EQ(python_quoted(std::string("\0\x1b\x7f", 3)), "'\\x00\\x1b\\x7f'");
  EXPECT_EQ(python_quoted("\xC2\xA0\xC2\xAD\xC3\xA9"), "'\\xa0\\xad\xC3\xA9'");
  EXPECT_EQ(python_quoted("\xE2\x80\x8B\xEF\xBB\xBF\xE4\xBD\xA0"), "'\\u200b\\ufeff\xE4\xBD\xA0'");
  EXPECT_EQ(python_quoted("\xF3\xA0\x80\x81\xF0\x9F\x99\x82"), "'\\U000e0001\xF0\x9F\x99\x82'");
}

TEST(PythonBytes, EscapesEveryByteThatIsNotPrintableAscii) {
  EXPECT_EQ(python_bytes(std::string_view("a\0\xff\n'", 5)), "b\"a\\x00\\xff\\n'\"");
}

TEST(PythonDecimal, KeepsTrailingZerosAndTurnsScientificBelowMicro) {
  EXPECT_EQ(python_decimal("150", 2), "1.50");
  EXPECT_EQ(python_decimal("-1", 2), "-0.01");
  EXPECT_EQ(python_decimal("12", 0), "12");
  EXPECT_EQ(python_decimal("1", 6), "0.000001");
  EXPECT_EQ(python_decimal("1", 7), "1E-7");
  EXPECT_EQ(python_decimal("123", 10), "1.23E-8");
  EXPECT_EQ(python_decimal("12", -3), "1.2E+4");
}

TEST(FixedOffset, ReadsOffsetsButNoNamedZones) {
  EXPECT_EQ(fixed_offset_minutes("UTC"), 0);
  EXPECT_EQ(fixed_offset_minutes("+02:00"), 120);
  EXPECT_EQ(fixed_offset_minutes("-0330"), -210);
  EXPECT_EQ(fixed_offset_minutes("Europe/Berlin"), std::nullopt);
  EXPECT_EQ(fixed_offset_minutes("+ab:cd"), std::nullopt);
}

}  // namespace
}  // namespace qk::source
