#include "saver/totals.h"

namespace qk::saver {

void CaptureTotals::add(const Document& document) {
  ++documents;
  skipped += document.tokens == 0;
  truncated += document.truncated;
  tokens += document.tokens;
}

void CaptureTotals::add_rows(size_t group, int64_t heads, std::span<const int32_t> bucket) {
  rows[group] += static_cast<int64_t>(bucket.size());
  for (size_t begin = 0; begin < bucket.size();) {
    size_t end = begin + 1;
    while (end < bucket.size() && bucket[end] == bucket[begin]) ++end;
    buckets[bucket[begin]] += static_cast<int64_t>(end - begin) * heads;
    begin = end;
  }
}

void CaptureTotals::add(const CapturedBatch& batch, const CaptureLayout& layout) {
  for (const RowBlock& block : batch.blocks) {
    const auto group = static_cast<size_t>(block.group);
    add_rows(group, static_cast<int64_t>(layout.groups[group].heads.size()), block.bucket);
  }
  for (const Document& document : batch.documents) add(document);
}

void CaptureTotals::add(const CaptureTotals& other) {
  documents += other.documents;
  skipped += other.skipped;
  truncated += other.truncated;
  tokens += other.tokens;
  for (size_t group = 0; group < rows.size(); ++group) rows[group] += other.rows[group];
  for (const auto& [bucket, count] : other.buckets) buckets[bucket] += count;
}

int64_t CaptureTotals::rows_of_all_heads(const CaptureLayout& layout) const {
  int64_t sum = 0;
  for (size_t group = 0; group < rows.size(); ++group) {
    sum += rows[group] * static_cast<int64_t>(layout.groups[group].heads.size());
  }
  return sum;
}

}  // namespace qk::saver
