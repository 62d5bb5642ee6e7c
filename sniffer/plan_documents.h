#pragma once
/// How many documents and tokens a run will see: counted with the tokenizer, or, when that takes
/// too long, estimated from a sample.
#include <cstdint>
#include <vector>

#include "source/text_reader.h"
#include "tokenizer/tokenizer.h"

namespace qk::sniffer {

struct CountedDocument {
  int64_t example_id = 0;
  int32_t tokens = 0;  ///< 0: skipped by the run
  double weight = 1;   ///< how many documents of the dataset it stands for
};

struct DocumentCount {
  std::vector<CountedDocument> documents;  ///< those that were tokenized
  std::vector<std::vector<int32_t>> ids;   ///< of the first of them, a few hundred thousand
  bool exact = false;                      ///< all documents of the dataset were
  bool spread = false;      ///< the sample was taken from all over the dataset, else from its start
  double all = 0;           ///< documents of the dataset
  double tokens = 0;        ///< after truncation
  double truncated = 0;     ///< documents that are cut
  double tokens_error = 0;  ///< half the width of the 95 % interval around `tokens`; 0 when exact
};

/// Reads on several threads for about `seconds`, or to the end of the dataset. When the number of
/// rows is known beforehand, the sample is taken in blocks from all over the dataset.
/// Throws DatasetError, TokenizerError.
DocumentCount count_documents(source::TextReader& reader, const tokenizer::Tokenizer& tokenizer,
                              int64_t max_length, double seconds);

}  // namespace qk::sniffer
