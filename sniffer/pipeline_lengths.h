#pragma once
/// How long the documents of a dataset are, before a capture by several ranks: its long ones are
/// handed out first.
#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/index_set.h"
#include "parallel/job.h"
#include "sniffer/pipeline_order.h"
#include "source/text_reader.h"
#include "tokenizer/tokenizer.h"

namespace qk::sniffer {

/// What a document costs, estimated from the bytes of its text: what the model does for it, counted
/// in the work for a token of a short document.
class DocumentCost {
 public:
  /// of_tokens: of a document of so many tokens.
  DocumentCost(double bytes_per_token, int64_t max_length,
               std::function<int64_t(int64_t tokens)> of_tokens)
      : bytes_per_token_(bytes_per_token),
        max_length_(max_length),
        of_tokens_(std::move(of_tokens)) {}

  int64_t tokens(int64_t bytes) const;
  int64_t operator()(int64_t bytes) const;  ///< at least 1
  int64_t most() const;                     ///< of any text

 private:
  double bytes_per_token_;
  int64_t max_length_;
  std::function<int64_t(int64_t)> of_tokens_;
};

/// Of the documents that are still to be captured.
struct Lengths {
  std::vector<Stretch> order;  ///< in which they are handed out
  DocumentCost cost;
  int64_t documents = 0;   ///< all, of the dataset
  int64_t total_cost = 0;  ///< of what is still to be captured
  int64_t tokens = 0;      ///< of the same, about
};

struct LengthOptions {
  int64_t max_length = 0;
  std::function<int64_t(int64_t tokens)> cost_of_tokens = {};
  std::function<void(double share)> on_progress = {};  ///< of this rank's reading, 0..1
  const std::atomic<bool>* stop = nullptr;
};

/// The order of the documents where lengths are known, else of a dataset of so many; nullopt: of
/// one whose number of documents isn't known.
std::optional<std::vector<Stretch>> order_of(const std::optional<Lengths>& lengths,
                                             std::optional<int64_t> documents);

/// The least cost of a chunk: a pass of fewer tokens is hardly faster, and this much makes no rank
/// wait for long.
int64_t least_chunk(const std::optional<Lengths>& lengths, const parallel::Job& job);

/// Reads the texts of the documents that are not done: each rank a part where the number of rows is
/// known, else rank 0 all. Once there is so much that not even a document of max_length would be
/// long (pipeline_order.h), reading ends, and nullopt says so: their order makes no difference.
/// Counter::Cost, 0 before, is afterwards what is to be captured. reader: at its first row, and
/// again afterwards; nothing is told of odd texts. All ranks call it, and get the same. Throws
/// DatasetError, TokenizerError, Interrupted.
std::optional<Lengths> read_lengths(source::TextReader& reader,
                                    const tokenizer::Tokenizer& tokenizer, const IndexSet& done,
                                    parallel::Job& job, const LengthOptions& options);

}  // namespace qk::sniffer
