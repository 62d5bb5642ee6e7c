#pragma once
/// Running counts of a capture.
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "saver/rows.h"

namespace qk::saver {

struct CaptureTotals {
  int64_t documents = 0, skipped = 0, truncated = 0, tokens = 0;
  std::vector<int64_t> rows;           ///< per group: rows of each of its heads
  std::map<int32_t, int64_t> buckets;  ///< rows per bucket, over all heads

  explicit CaptureTotals(size_t groups) : rows(groups) {}
  void add(const Document& document);
  void add_rows(size_t group, int64_t heads, std::span<const int32_t> bucket);
  void add(const CapturedBatch& batch, const CaptureLayout& layout);
  void add(const CaptureTotals& other);
  int64_t rows_of_all_heads(const CaptureLayout& layout) const;
};

}  // namespace qk::saver
