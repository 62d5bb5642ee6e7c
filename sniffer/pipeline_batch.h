#pragma once
/// Documents of one pass, tokenized.
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

  int64_t cost() const;  ///< of all documents
};

void add(Batch& batch, TokenizedDocument document);

/// The two halves of a batch of several documents.
std::pair<Batch, Batch> split(Batch batch);

/// In at most so many units.
std::vector<PassDocument> pass_documents(const Batch& batch, size_t units);

/// By unit, with pass_documents() of the batch. rows: captured from each document.
std::vector<std::vector<saver::Document>> saved_documents(
    const Batch& batch, const std::vector<PassDocument>& documents,
    const std::vector<int64_t>& rows);

/// With inference.debug_logging, of the first batches and then of every so many.
void log_batch(const InferenceConfig& config, int64_t number, const Batch& batch,
               const std::vector<int64_t>& rows, const ProgressState& state);

}  // namespace qk::sniffer
