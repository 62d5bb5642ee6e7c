#include "report/row_sample.h"

#include <ATen/Functions.h>

#include <algorithm>

#include "report/head_statistics.h"

namespace qk::report {

void RowSample::add(uint64_t hash, int32_t position, std::span<const float> vector) {
  if (rows_.size() == size_) {
    if (hash >= rows_.top().hash) return;
    rows_.pop();
  }
  rows_.push({hash, position, {vector.begin(), vector.end()}});
}

std::vector<SampledRow> RowSample::take() {
  std::vector<SampledRow> rows;
  for (; !rows_.empty(); rows_.pop()) rows.push_back(rows_.top());
  std::ranges::sort(rows, [](const SampledRow& a, const SampledRow& b) {
    return std::pair(a.position, a.hash) < std::pair(b.position, b.hash);
  });
  return rows;
}

void DocumentSample::add(int32_t example_id, int32_t position, std::span<const float> vector) {
  const uint64_t hash = mixed(static_cast<uint32_t>(example_id) + 1);
  auto found = sample_.find(hash);
  if (found == sample_.end()) {
    if (sample_.size() == documents_) {
      const auto last = std::prev(sample_.end());
      if (hash > last->first) return;
      sample_.erase(last);
    }
    found = sample_.emplace(hash, Document{example_id, RowSample(rows_)}).first;
  }
  found->second.rows.add(mixed(hash ^ static_cast<uint32_t>(position)), position, vector);
}

std::map<int32_t, std::vector<SampledRow>> DocumentSample::take() {
  std::map<int32_t, std::vector<SampledRow>> documents;
  for (auto& [hash, document] : sample_) documents[document.example_id] = document.rows.take();
  return documents;
}

at::Tensor vectors_of(const std::vector<SampledRow>& rows) {
  if (rows.empty()) return at::empty({0, 0});
  const auto width = static_cast<int64_t>(rows.front().vector.size());
  at::Tensor vectors = at::empty({static_cast<int64_t>(rows.size()), width}, at::kFloat);
  auto* out = vectors.mutable_data_ptr<float>();
  for (const SampledRow& row : rows) out = std::ranges::copy(row.vector, out).out;
  return vectors;
}

}  // namespace qk::report
