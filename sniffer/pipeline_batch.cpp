#include "sniffer/pipeline_batch.h"

#include <numeric>

#include "base/log.h"

namespace qk::sniffer {

int64_t Batch::cost() const {
  int64_t sum = 0;
  for (const TokenizedDocument& document : documents) sum += document.cost;
  return sum;
}

void add(Batch& batch, TokenizedDocument document) {
  batch.tokens.ids.insert(batch.tokens.ids.end(), document.ids.begin(), document.ids.end());
  batch.tokens.offsets.push_back(static_cast<int64_t>(batch.tokens.ids.size()));
  batch.documents.push_back(std::move(document));
}

std::pair<Batch, Batch> split(Batch batch) {
  std::pair<Batch, Batch> halves;
  const size_t middle = batch.documents.size() / 2;
  for (size_t d = 0; d < batch.documents.size(); ++d)
    add(d < middle ? halves.first : halves.second, std::move(batch.documents[d]));
  return halves;
}

std::vector<size_t> divide_into_units(std::span<const int64_t> offsets, size_t count) {
  const auto most = static_cast<int64_t>(count);
  std::vector<size_t> units;
  int64_t unit = 0;
  for (size_t d = 1; d < offsets.size(); ++d) {
    units.push_back(static_cast<size_t>(unit));
    if (unit + 1 < most && offsets[d] * most >= (unit + 1) * offsets.back()) ++unit;
  }
  return units;
}

std::vector<PassDocument> pass_documents(const Batch& batch) {
  std::vector<PassDocument> documents;
  for (size_t i = 0; i < batch.documents.size(); ++i) {
    const TokenizedDocument& d = batch.documents[i];
    documents.push_back({.example_id = d.example_id, .ids = d.ids, .unit = batch.units[i]});
  }
  return documents;
}

std::vector<std::vector<saver::Document>> saved_documents(const Batch& batch,
                                                          const std::vector<int64_t>& rows) {
  std::vector<std::vector<saver::Document>> units(batch.units.back() + 1);
  for (size_t i = 0; i < batch.documents.size(); ++i) {
    const TokenizedDocument& d = batch.documents[i];
    units[batch.units[i]].push_back({.index = d.index,
                                     .example_id = d.example_id,
                                     .source_id = d.source_id,
                                     .tokens = static_cast<int64_t>(d.ids.size()),
                                     .truncated = d.truncated,
                                     .rows = rows[i]});
  }
  return units;
}

void log_batch(const InferenceConfig& config, int64_t number, const Batch& batch,
               const std::vector<int64_t>& rows, const ProgressState& state) {
  const bool due = number <= 3 || number % config.debug_log_every_n_batches == 0;
  if (!config.debug_logging || !due) return;
  log::debug(
      "batch {}: {} documents, {} tokens, {} rows; so far {:.3f} s waiting for text, "
      "{:.3f} s forward, {:.3f} s waiting for disk",
      number, batch.documents.size(), batch.tokens.ids.size(),
      std::accumulate(rows.begin(), rows.end(), int64_t{0}), state.seconds_text,
      state.seconds_forward, state.seconds_writing);
}

}  // namespace qk::sniffer
