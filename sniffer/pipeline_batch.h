#pragma once
/// Documents of one pass, tokenized.
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "models/decoder.h"
#include "saver/rows.h"
#include "sniffer/config.h"
#include "sniffer/core.h"
#include "sniffer/pipeline_documents.h"
#include "sniffer/progress.h"

namespace qk::sniffer {

struct Batch {
  models::PackedTokens tokens;
  std::vector<TokenizedDocument> documents;
  std::vector<size_t> units;  ///< that the documents are written in; see divide_into_units

  int64_t cost() const;  ///< of all documents
};

void add(Batch& batch, TokenizedDocument document);

/// The two halves of a batch of several documents.
std::pair<Batch, Batch> split(Batch batch);

/// For each document of a pass its unit: at most `count` of them, with about as many tokens each.
/// offsets: PackedTokens::offsets.
std::vector<size_t> divide_into_units(std::span<const int64_t> offsets, size_t count);

std::vector<PassDocument> pass_documents(const Batch& batch);

/// By unit. rows: captured from each document.
std::vector<std::vector<saver::Document>> saved_documents(const Batch& batch,
                                                          const std::vector<int64_t>& rows);

/// With inference.debug_logging, of the first batches and then of every so many.
void log_batch(const InferenceConfig& config, int64_t number, const Batch& batch,
               const std::vector<int64_t>& rows, const ProgressState& state);

}  // namespace qk::sniffer
