#include "sniffer/pipeline_batch.h"

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

std::vector<PassDocument> pass_documents(const Batch& batch) {
  std::vector<PassDocument> documents;
  for (const TokenizedDocument& d : batch.documents) documents.push_back({d.example_id, d.ids});
  return documents;
}

std::vector<saver::Document> saved_documents(const Batch& batch, const std::vector<int64_t>& rows) {
  std::vector<saver::Document> documents;
  for (size_t i = 0; i < batch.documents.size(); ++i) {
    const TokenizedDocument& d = batch.documents[i];
    documents.push_back({.index = d.index,
                         .example_id = d.example_id,
                         .source_id = d.source_id,
                         .tokens = static_cast<int64_t>(d.ids.size()),
                         .truncated = d.truncated,
                         .rows = rows[i]});
  }
  return documents;
}

}  // namespace qk::sniffer
