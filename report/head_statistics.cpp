#include "report/head_statistics.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace qk::report {
namespace {

uint64_t key_of(int32_t example_id, int32_t position) {
  return (uint64_t{static_cast<uint32_t>(example_id)} << 32) | static_cast<uint32_t>(position);
}

/// Duplicates among the keys whose hash falls into this part of `parts`.
int64_t duplicates_in_part(const RowGroups& file, uint64_t part, uint64_t parts) {
  std::vector<uint64_t> keys;
  for (int group = 0; group < file.count(); ++group) {
    const Rows rows = file.read(group, /*vectors=*/false);
    for (size_t i = 0; i < rows.position.size(); ++i) {
      const uint64_t key = key_of(rows.example_id[i], rows.position[i]);
      if (mixed(key) % parts == part) keys.push_back(key);
    }
  }
  std::ranges::sort(keys);
  return static_cast<int64_t>(keys.size()) - (std::unique(keys.begin(), keys.end()) - keys.begin());
}

}  // namespace

void Spread::add(double value) {
  least_ = count_ == 0 ? value : std::min(least_, value);
  most_ = count_ == 0 ? value : std::max(most_, value);
  ++count_;
  const double before = value - mean_;
  mean_ += before / static_cast<double>(count_);
  squares_ += before * (value - mean_);
}

double Spread::deviation() const {
  return count_ == 0 ? 0 : std::sqrt(squares_ / static_cast<double>(count_));
}

uint64_t mixed(uint64_t x) {
  x ^= x >> 30;
  x *= 0xBF58476D1CE4E5B9;
  x ^= x >> 27;
  x *= 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

void StatisticsCounter::add(const Rows& rows, const at::Tensor& norms) {
  const auto* norm = norms.const_data_ptr<float>();
  for (size_t i = 0; i < rows.position.size(); ++i) {
    add_row(rows.bucket[i], rows.example_id[i], rows.position[i]);
    add_norm(rows.bucket[i], norm[i]);
  }
}

void StatisticsCounter::add_row(int32_t bucket, int32_t example_id, int32_t position) {
  HeadStatistics& s = result_;
  if (s.rows == 0) s.first_position = s.last_position = position;
  if (s.rows == 0 || example_id != example_) ++s.documents;
  example_ = example_id;
  ++s.rows;
  ++s.rows_per_bucket[bucket];
  s.first_position = std::min(s.first_position, position);
  s.last_position = std::max(s.last_position, position);
  s.row_hash =
      mixed(s.row_hash ^ mixed(key_of(example_id, position)) ^ static_cast<uint32_t>(bucket));
}

void StatisticsCounter::add_norm(int32_t bucket, float norm) {
  if (!std::isfinite(norm)) {
    ++result_.not_finite;
    return;
  }
  if (norm == 0) ++result_.zero;
  result_.norm.add(norm);
  result_.norms[bucket].add(norm);
}

int64_t count_duplicates(const RowGroups& file, int64_t keys_in_memory) {
  const auto parts = static_cast<uint64_t>(file.rows() / keys_in_memory + 1);
  int64_t duplicates = 0;
  for (uint64_t part = 0; part < parts; ++part) duplicates += duplicates_in_part(file, part, parts);
  return duplicates;
}

HeadStatistics head_statistics(const HeadFile& head, int64_t head_dim) {
  const RowGroups file(head, head_dim);
  StatisticsCounter counter;
  for (int group = 0; group < file.count(); ++group) {
    const Rows rows = file.read(group, /*vectors=*/true);
    counter.add(rows, rows.vectors.norm(2, /*dim=*/1));
  }
  HeadStatistics statistics = counter.result();
  statistics.duplicates = count_duplicates(file);
  return statistics;
}

}  // namespace qk::report
