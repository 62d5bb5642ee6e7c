#include "sniffer/plan_documents.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <numeric>

namespace qk::sniffer {
namespace {

/// Texts whose length grows, so that a sample from the start alone would be far off.
class GrowingTexts final : public source::TextReader {
 public:
  GrowingTexts(int64_t rows, bool knows_count) : rows_(rows), knows_count_(knows_count) {}

  std::optional<source::TextRow> next() override {
    if (at_ == rows_) return std::nullopt;
    source::TextRow row{.index = at_, .example_id = at_, .source_id = "", .text = ""};
    for (int64_t i = 0; i < 4 + 40 * at_ / rows_; ++i) row.text += "word ";
    ++at_;
    return row;
  }
  std::optional<std::string> next_text() override {
    std::optional<source::TextRow> row = next();
    return row ? std::optional(std::move(row->text)) : std::nullopt;
  }
  void rewind() override { at_ = 0; }
  int64_t skip(int64_t rows) override {
    const int64_t skipped = std::min(rows, rows_ - at_);
    at_ += skipped;
    return skipped;
  }
  std::optional<int64_t> row_count() const override {
    return knows_count_ ? std::optional(rows_) : std::nullopt;
  }
  double progress() const override { return static_cast<double>(at_) / static_cast<double>(rows_); }

 private:
  int64_t rows_, at_ = 0;
  bool knows_count_;
};

class CountDocuments : public testing::Test {
 protected:
  DocumentCount count(int64_t rows, bool knows_count, double seconds) const {
    GrowingTexts texts(rows, knows_count);
    return count_documents(texts, tokenizer_, /*max_length=*/4096, seconds);
  }

  tokenizer::Tokenizer tokenizer_ = tokenizer::Tokenizer::open(
      std::filesystem::path(QK_SOURCE_DIR) / "tests/data/golden/llama/model");
};

TEST_F(CountDocuments, CountsAllWhenThereIsTime) {
  const DocumentCount count = this->count(500, false, 1e9);
  EXPECT_TRUE(count.exact);
  EXPECT_EQ(count.all, 500);
  EXPECT_EQ(count.tokens_error, 0);
  const double tokens =
      std::accumulate(count.documents.begin(), count.documents.end(), 0.0,
                      [](double sum, const CountedDocument& d) { return sum + d.tokens; });
  EXPECT_EQ(count.tokens, tokens);
}

TEST_F(CountDocuments, SamplesAllOverTheDatasetWhenItsLengthIsKnown) {
  const double truth = this->count(20'000, true, 1e9).tokens * 100;
  const DocumentCount count = this->count(2'000'000, true, 0.5);
  EXPECT_FALSE(count.exact);
  EXPECT_TRUE(count.spread);
  EXPECT_EQ(count.all, 2'000'000);
  EXPECT_LT(count.documents.size(), 1'900'000u);
  EXPECT_NEAR(count.tokens, truth, std::max(3 * count.tokens_error, 0.1 * truth));
  double weights = 0;
  for (const CountedDocument& document : count.documents) weights += document.weight;
  EXPECT_NEAR(weights, count.all, 1);
}

TEST_F(CountDocuments, ExtrapolatesFromTheStartByTheShareRead) {
  const DocumentCount count = this->count(2'000'000, false, 0.2);
  EXPECT_FALSE(count.exact);
  EXPECT_FALSE(count.spread);
  EXPECT_NEAR(count.all, 2'000'000, 20'000);
  EXPECT_GT(count.tokens_error, 0);
}

}  // namespace
}  // namespace qk::sniffer
