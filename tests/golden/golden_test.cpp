// What the reference wrote for tiny models of every family, against what the whole pipeline writes.
// The cases in tests/data/golden ship with the repository; QK_GOLDEN names a folder with more of
// the same shape.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "sniffer/pipeline.h"
#include "tests/base/temporary_folder.h"
#include "tests/golden/parquet_rows.h"

namespace qk::test {
namespace {

namespace fs = std::filesystem;

struct Case {
  std::string name;
  fs::path folder;
  std::string run;
  friend void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }
};

void add_cases(const std::string& origin, const fs::path& root, std::vector<Case>& found) {
  for (const auto& family : fs::directory_iterator(root)) {
    if (!fs::is_directory(family.path() / "expected")) continue;
    for (const auto& file : fs::directory_iterator(family.path() / "expected")) {
      if (file.path().extension() != ".parquet") continue;
      const std::string run = file.path().stem().string();
      found.push_back(
          {origin + "_" + family.path().filename().string() + "_" + run, family.path(), run});
    }
  }
}

std::vector<Case> cases() {
  std::vector<Case> found;
  add_cases("shipped", fs::path(QK_SOURCE_DIR) / "tests/data/golden", found);
  if (const char* more = std::getenv("QK_GOLDEN")) add_cases("given", more, found);
  std::ranges::sort(found, {}, &Case::name);
  return found;
}

/// The vectors of mllama are those that ship, whoever gives the case: the reference ran that family
/// without its weights (tests/data/golden/README.md).
void take_shipped_vectors(const Case& c, std::map<std::string, Rows>& expected) {
  if (c.folder.filename() != "mllama") return;
  const auto shipped = read_rows(fs::path(QK_SOURCE_DIR) / "tests/data/golden/mllama/expected" /
                                 (c.run + ".parquet"));
  for (auto& [name, rows] : expected) {
    ASSERT_TRUE(shipped.contains(name)) << name;
    ASSERT_EQ(shipped.at(name).position, rows.position) << name;
    rows.vectors = shipped.at(name).vectors;
  }
}

/// Largest relative distance (L2) of a row from the expected one.
double worst_error(const Rows& rows, const Rows& expected) {
  double worst = 0;
  const size_t dim = expected.head_dim();
  for (size_t row = 0; row < expected.position.size(); ++row) {
    double difference = 0, norm = 0;
    for (size_t i = row * dim; i < (row + 1) * dim; ++i) {
      difference += std::pow(double(rows.vectors[i]) - double(expected.vectors[i]), 2);
      norm += std::pow(double(expected.vectors[i]), 2);
    }
    const double error = std::sqrt(difference) / std::max(std::sqrt(norm), 1e-12);
    worst = std::isfinite(error) ? std::max(worst, error) : INFINITY;
  }
  return worst;
}

class Golden : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override { fs::current_path(GetParam().folder); }
  void TearDown() override { fs::current_path(before_); }

  const tests::TemporaryFolder folder_;
  const fs::path data_root_ = folder_.path() / "capture";
  const fs::path before_ = fs::current_path();
};

TEST_P(Golden, EqualsTheReference) {
  const auto config =
      sniffer::load_config(GetParam().run + ".yaml", {"output.data_root=" + data_root_.string()});
  sniffer::run_sniff(config, {.quiet = true, .version = "test"});
  auto expected = read_rows("expected/" + GetParam().run + ".parquet");
  ASSERT_NO_FATAL_FAILURE(take_shipped_vectors(GetParam(), expected));
  const auto captured = read_capture(data_root_);
  ASSERT_FALSE(expected.empty());
  for (const auto& [name, rows] : captured)
    EXPECT_TRUE(expected.contains(name)) << name << " was not expected";
  double worst = 0;
  for (const auto& [name, rows] : expected) {
    ASSERT_TRUE(captured.contains(name)) << name << " is missing";
    const Rows& own = captured.at(name);
    ASSERT_EQ(own.bucket, rows.bucket) << name;
    ASSERT_EQ(own.example_id, rows.example_id) << name;
    ASSERT_EQ(own.position, rows.position) << name;
    ASSERT_EQ(own.sliding_window, rows.sliding_window) << name;
    ASSERT_EQ(own.token_str, rows.token_str) << name;
    ASSERT_EQ(own.vectors.size(), rows.vectors.size()) << name;
    const double error = worst_error(own, rows);
    EXPECT_LE(error, 1e-4) << name;
    worst = std::max(worst, error);
  }
  RecordProperty("worst_relative_error", fmt::format("{:.2e}", worst));
}

INSTANTIATE_TEST_SUITE_P(Cases, Golden, testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace qk::test
