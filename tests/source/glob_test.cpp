#include "source/glob.h"

#include <gtest/gtest.h>

namespace qk::source {
namespace {

struct GlobCase {
  const char* pattern;
  const char* path;
  bool matches;
};

TEST(Glob, MatchesAsFsspecDoes) {
  const GlobCase cases[] = {{"a.csv", "a.csv", true},
                            {"a.csv", "b/a.csv", false},
                            {"*.csv", "a.csv", true},
                            {"*.csv", "b/a.csv", false},
                            {"*", ".hidden", true},
                            {"**", "a/b/c.csv", true},
                            {"**", "c.csv", true},
                            {"a/**", "a", false},
                            {"a/**", "a/b", true},
                            {"a/**/*.csv", "a/x.csv", true},
                            {"a/**/*.csv", "a/b/c/x.csv", true},
                            {"**/train/**", "train/x.csv", true},
                            {"**/train/**", "a/train/b/x.csv", true},
                            {"**/train/**", "atrain/x.csv", false},
                            {"**/*[-._ 0-9]train[-._ 0-9]*", "x/my train.csv", true},
                            {"**/*[-._ 0-9]train[-._ 0-9]*", "x/mytrain.csv", false},
                            {"f?.csv", "f1.csv", true},
                            {"f?.csv", "f.csv", false},
                            {"f[!1-3].csv", "f4.csv", true},
                            {"f[!1-3].csv", "f2.csv", false},
                            {"f[]x].csv", "f].csv", true},
                            {"f[a.csv", "f[a.csv", true},
                            {"A.csv", "a.csv", false},
                            {"*a*b*c", "xxaxxbxxc", true},
                            {"*a*b*c", "xxaxxcxxb", false}};
  for (const GlobCase& c : cases)
    EXPECT_EQ(glob_matches(c.pattern, c.path), c.matches) << c.pattern << " " << c.path;
}

TEST(Glob, KnowsPlainPaths) {
  EXPECT_FALSE(is_glob("data/train-00000-of-00001.parquet"));
  EXPECT_TRUE(is_glob("data/*.parquet"));
  EXPECT_TRUE(is_glob("data/[ab].parquet"));
}

}  // namespace
}  // namespace qk::source
