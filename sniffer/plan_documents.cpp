#include "sniffer/plan_documents.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "base/stopwatch.h"

namespace qk::sniffer {
namespace {

constexpr int64_t kBlock = 64;             // documents of one block
constexpr int64_t kBlockBytes = 16 << 20;  // of text, so that memory stays bounded
constexpr int64_t kKeptTokens = 256 << 10;
constexpr double kShareBeforeGaps = 0.2;  // of the time, before documents are left out
constexpr double kShareAtTheEnd = 0.1;    // of the time, that is always there for the rest
constexpr double kTwoSided95 = 1.96;      // of a normal distribution

struct Block {
  size_t begin = 0, end = 0;  // in DocumentCount::documents
  double truncated = 0;
  int64_t left_out = 0;  // documents after it that it stands for too

  double documents() const { return static_cast<double>(end - begin); }
  double weight() const { return (documents() + static_cast<double>(left_out)) / documents(); }
};

class Count {
 public:
  Count(source::TextReader& reader, const tokenizer::Tokenizer& tokenizer, int64_t max_length,
        double seconds)
      : reader_(reader), tokenizer_(tokenizer), max_length_(max_length), seconds_(seconds) {}

  DocumentCount run() {
    while (read_block()) {
      if (!reader_.row_count() && watch_.seconds() >= seconds_) {
        weigh_start();
        return std::move(count_);
      }
      if (const int64_t gap = next_gap(); gap > 0) leave_out(gap);
    }
    weigh_blocks();
    return std::move(count_);
  }

 private:
  /// False at the end of the dataset.
  bool read_block() {
    std::vector<source::TextRow> rows;
    int64_t bytes = 0;
    while (static_cast<int64_t>(rows.size()) < kBlock && bytes < kBlockBytes) {
      std::optional<source::TextRow> row = reader_.next();
      if (!row) break;
      bytes += static_cast<int64_t>(row->text.size());
      rows.push_back(std::move(*row));
    }
    if (rows.empty()) return false;
    const size_t begin = count_.documents.size();
    std::vector<tokenizer::Encoding> encodings(rows.size());
    at::parallel_for(0, static_cast<int64_t>(rows.size()), 1, [&](int64_t first, int64_t last) {
      for (auto i = static_cast<size_t>(first); i < static_cast<size_t>(last); ++i)
        if (!rows[i].unusable) encodings[i] = tokenizer_.encode(rows[i].text, max_length_);
    });
    double truncated = 0;
    for (size_t i = 0; i < rows.size(); ++i) {
      truncated += encodings[i].truncated ? 1 : 0;
      keep(rows[i].example_id, std::move(encodings[i].ids));
    }
    blocks_.push_back({begin, count_.documents.size(), truncated, 0});
    return true;
  }

  void keep(int64_t example_id, std::vector<int32_t> ids) {
    const auto tokens = static_cast<int32_t>(ids.size());
    count_.documents.push_back({.example_id = example_id, .tokens = tokens});
    if (kept_tokens_ > kKeptTokens) return;
    kept_tokens_ += tokens;
    count_.ids.push_back(std::move(ids));
  }

  /// How many documents to leave out, so that the rest fits in the time. It is chosen anew after
  /// each block: when texts get longer, the gaps do too, and the sample still reaches the end.
  int64_t next_gap() const {
    const double elapsed = watch_.seconds();
    if (!reader_.row_count() || elapsed < kShareBeforeGaps * seconds_) return 0;
    const auto counted = static_cast<double>(count_.documents.size());
    const double rest = static_cast<double>(*reader_.row_count() - left_out_) - counted;
    const double affordable =
        counted / elapsed * std::max(seconds_ - elapsed, kShareAtTheEnd * seconds_);
    if (rest <= affordable) return 0;
    return static_cast<int64_t>(static_cast<double>(kBlock) * (rest / affordable - 1)) + 1;
  }

  void leave_out(int64_t gap) {
    blocks_.back().left_out = reader_.skip(gap);
    left_out_ += blocks_.back().left_out;
  }

  /// The sample reached the end: each block stands for itself and for what was left out after it.
  void weigh_blocks() {
    count_.exact = left_out_ == 0;
    count_.spread = !count_.exact;
    for (const Block& block : blocks_) add_up(block, block.weight());
    set_error();
  }

  /// The time is over and nobody knows how long the dataset is: its share that was read tells.
  void weigh_start() {
    const double share = std::clamp(reader_.progress(), 1e-9, 1.0);
    for (Block& block : blocks_) {
      block.left_out = std::llround(block.documents() * (1 / share - 1));
      add_up(block, block.weight());
    }
    set_error();
  }

  void add_up(const Block& block, double weight) {
    for (size_t i = block.begin; i < block.end; ++i) {
      count_.documents[i].weight = weight;
      count_.tokens += weight * count_.documents[i].tokens;
    }
    count_.truncated += weight * block.truncated;
    count_.all += weight * block.documents();
  }

  double mean_tokens(const Block& block) const {
    double tokens = 0;
    for (size_t i = block.begin; i < block.end; ++i) tokens += count_.documents[i].tokens;
    return tokens / block.documents();
  }

  /// From how much the blocks' means differ, which also sees that neighbours are alike.
  void set_error() {
    const auto blocks = static_cast<double>(blocks_.size());
    double mean = 0, squares = 0, weights = 0;
    for (const Block& block : blocks_) mean += mean_tokens(block) / blocks;
    for (const Block& block : blocks_) {
      squares += std::pow(mean_tokens(block) - mean, 2);
      const double stands_for = block.documents() * block.weight();
      weights += stands_for * stands_for * (1 - 1 / block.weight());
    }
    const double variance = blocks_.size() < 2 ? mean * mean : squares / (blocks - 1);
    count_.tokens_error = kTwoSided95 * std::sqrt(variance * weights);
  }

  source::TextReader& reader_;
  const tokenizer::Tokenizer& tokenizer_;
  const int64_t max_length_;
  const double seconds_;
  const Stopwatch watch_;
  DocumentCount count_;
  std::vector<Block> blocks_;
  int64_t left_out_ = 0;
  int64_t kept_tokens_ = 0;
};

}  // namespace

DocumentCount count_documents(source::TextReader& reader, const tokenizer::Tokenizer& tokenizer,
                              int64_t max_length, double seconds) {
  return Count(reader, tokenizer, max_length, seconds).run();
}

}  // namespace qk::sniffer
