#include "source/split_expression.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace qk::source {
namespace {

struct SliceCase {
  const char* expression;
  int64_t rows;
  int64_t from;
  int64_t to;
};

/// Bounds computed with datasets' ReadInstruction.from_spec(...).to_absolute(...).
TEST(SplitExpression, CutsAsDatasetsDoes) {
  const SliceCase cases[] = {{"train", 25, 0, 25},
                             {"train[5:10]", 25, 5, 10},
                             {"train[:10]", 25, 0, 10},
                             {"train[20:]", 25, 20, 25},
                             {"train[:]", 25, 0, 25},
                             {"train[-3:]", 25, 22, 25},
                             {"train[:-3]", 25, 0, 22},
                             {"train[-100:-20]", 25, 0, 5},
                             {"train[10:100]", 25, 10, 25},
                             {"train[1_0:2_0]", 25, 10, 20},
                             {"train[:10%]", 25, 0, 2},     // 2.5 -> 2
                             {"train[:30%]", 25, 0, 8},     // 7.5 -> 8
                             {"train[-10%:]", 25, 23, 25},  // -2.5 -> -2
                             {"train[10%:20]", 200, 20, 40},
                             {"train[50%:100%]", 3, 2, 3},  // 1.5 -> 2
                             {"train[:1%](pct1_dropremainder)", 199, 0, 1},
                             {"train[50%:](pct1_dropremainder)", 199, 50, 199},
                             {"train[:33%](closest)", 100, 0, 33},
                             {"a.b_c[1:2]", 5, 1, 2}};
  for (const SliceCase& c : cases) {
    const std::vector<SplitTerm> terms = parse_split_expression(c.expression);
    ASSERT_EQ(terms.size(), 1u) << c.expression;
    const RowRange range = row_range(terms[0], c.rows);
    EXPECT_EQ(range.from, c.from) << c.expression;
    EXPECT_EQ(range.to, c.to) << c.expression;
  }
}

TEST(SplitExpression, AddsTermsWithOrWithoutSpaces) {
  const std::vector<SplitTerm> terms = parse_split_expression("train[:5] + test+val[1:]");
  ASSERT_EQ(terms.size(), 3u);
  EXPECT_EQ(terms[0].split, "train");
  EXPECT_EQ(terms[0].to, 5);
  EXPECT_EQ(terms[1].split, "test");
  EXPECT_EQ(terms[2].split, "val");
  EXPECT_EQ(terms[2].from, 1);
}

TEST(SplitExpression, NeedsTheRowCountOnlyForPercentAndNegativeBounds) {
  EXPECT_FALSE(parse_split_expression("train")[0].needs_row_count());
  EXPECT_FALSE(parse_split_expression("train[5:10]")[0].needs_row_count());
  EXPECT_TRUE(parse_split_expression("train[:10%]")[0].needs_row_count());
  EXPECT_TRUE(parse_split_expression("train[-5:]")[0].needs_row_count());
  const RowRange range = row_range(parse_split_expression("train[5:10]")[0], std::nullopt);
  EXPECT_EQ(range.from, 5);
  EXPECT_EQ(range.to, 10);
}

TEST(SplitExpression, RefusesWhatDatasetsRefuses) {
  for (const char* expression :
       {"", "train[", "train[5]", "train[:5", "train[a:b]", "train-a", "train++test",
        "train[:101%]", "train[-101%:]", "train[:5](closest)", "train[:5%](nearest)",
        "train[:10%]+test[:10%](pct1_dropremainder)", "train[_:5]", "train[-_5:]", "train[5:6]x",
        "train[:5](closest", "train[::2]", ".train"}) {
    EXPECT_THROW(parse_split_expression(expression), DatasetError) << expression;
  }
}

TEST(SplitExpression, NamesTheExpressionInItsErrors) {
  try {
    parse_split_expression("train[5]");
    FAIL();
  } catch (const DatasetError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("dataset.split: 'train[5]'"));
  }
}

TEST(SplitExpression, DropRemainderNeedsAHundredRows) {
  EXPECT_THROW(row_range(parse_split_expression("train[:10%](pct1_dropremainder)")[0], 99),
               DatasetError);
}

}  // namespace
}  // namespace qk::source
