#pragma once
/// Texts become token ids on their own threads, ahead of the forward pass, and arrive in the order
/// in which they are handed out.
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/index_set.h"
#include "sniffer/pipeline_share.h"
#include "source/text_reader.h"
#include "tokenizer/tokenizer.h"

namespace qk::sniffer {

struct TokenizedDocument {
  int64_t index = 0;
  int64_t example_id = 0;
  std::string source_id;
  std::vector<int32_t> ids;  ///< empty: a row without any token
  bool truncated = false;
  double fraction = 0;  ///< of the dataset, read up to and with this document: 0..1
  int64_t cost = 0;     ///< as Options::cost has it
};

using CostOfText = std::function<int64_t(int64_t bytes)>;

class DocumentStream {
 public:
  struct Options {
    int64_t max_length = 0;
    IndexSet done = {};          ///< documents that an earlier run has finished, by index
    WorkShare* share = nullptr;  ///< which of the others this rank captures; nullptr: all
    /// Of a text of so many bytes, as the share's order counts it. Empty: costs are not known, and
    /// documents are taken ahead by ahead_bytes alone.
    CostOfText cost = {};
    int threads = 1;
    int64_t ahead_bytes = 64 << 20;  ///< text and ids held at most, beside one document per thread
  };

  /// reader, at its first row, and tokenizer: must outlive the stream.
  DocumentStream(source::TextReader& reader, const tokenizer::Tokenizer& tokenizer,
                 Options options);
  ~DocumentStream();

  /// The next document, nullopt at the end. In dataset order, unless the share has another. Waits
  /// for it; while paused(), for ever. Rethrows what a worker threw.
  std::optional<TokenizedDocument> next();

  /// With costs: there is no document to be had before some that next() gave are finished. What is
  /// long is taken late, so that it goes to the rank that is free first.
  bool paused() const;

  /// To be called once for each document that next() gave.
  void finished(const TokenizedDocument& document);

  std::optional<int64_t> row_count() const;  ///< where it is known, and once all is read
  source::TextFlaws flaws() const;

 private:
  void work();
  bool may_take() const;
  std::optional<int64_t> next_wanted();
  std::optional<source::TextRow> next_row();
  std::optional<source::TextRow> read_row(int64_t& sequence, double& fraction);
  int64_t cost_of(const source::TextRow& row) const;

  source::TextReader& reader_;
  const tokenizer::Tokenizer& tokenizer_;
  const Options options_;

  mutable std::mutex mutex_;  // guards everything below, the reader and the share
  std::condition_variable changed_;
  std::map<int64_t, TokenizedDocument> ready_;  // by sequence number
  std::optional<Chunk> chunk_;                  // what is left of it; nullopt: there is no other
  int64_t next_index_ = 0;                      // in the dataset, of the next row to read
  int64_t next_read_ = 0, next_out_ = 0;
  int64_t held_bytes_ = 0;
  int64_t cost_in_hand_ = 0;  // of the documents that are taken and not finished
  bool ended_ = false, stopping_ = false;
  std::exception_ptr error_;
  std::vector<std::thread> threads_;
};

}  // namespace qk::sniffer
