#pragma once
/// Texts become token ids on their own threads, ahead of the forward pass, and arrive in dataset
/// order.
#include <condition_variable>
#include <cstdint>
#include <exception>
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
};

class DocumentStream {
 public:
  struct Options {
    int64_t max_length = 0;
    IndexSet done = {};          ///< documents that an earlier run has finished, by index
    WorkShare* share = nullptr;  ///< which of the others this rank captures; nullptr: all
    int threads = 1;
    int64_t ahead_bytes = 64 << 20;  ///< text and ids held at most, beside one document per thread
  };

  /// reader, tokenizer: must outlive the stream.
  DocumentStream(source::TextReader& reader, const tokenizer::Tokenizer& tokenizer,
                 Options options);
  ~DocumentStream();

  /// The next document in dataset order, nullopt at the end. Rethrows what a worker threw.
  std::optional<TokenizedDocument> next();

  std::optional<int64_t> row_count() const;  ///< where it is known, and once all is read
  source::TextFlaws flaws() const;

 private:
  void work();
  int64_t next_wanted() const;
  std::optional<source::TextRow> read_row(int64_t& sequence, double& fraction);

  source::TextReader& reader_;
  const tokenizer::Tokenizer& tokenizer_;
  const Options options_;

  mutable std::mutex mutex_;  // guards everything below and the reader
  std::condition_variable changed_;
  std::map<int64_t, TokenizedDocument> ready_;  // by sequence number
  int64_t next_index_ = 0;                      // in the dataset, of the next row to read
  int64_t next_read_ = 0, next_out_ = 0;
  int64_t held_bytes_ = 0;
  bool ended_ = false, stopping_ = false;
  std::exception_ptr error_;
  std::vector<std::thread> threads_;
};

}  // namespace qk::sniffer
