#pragma once
/// How many rows a run will keep.
#include <cstdint>
#include <map>
#include <vector>

#include "saver/rows.h"
#include "sniffer/config.h"
#include "sniffer/plan_documents.h"

namespace qk::sniffer {

struct RowCount {
  std::vector<double> of_group;       ///< rows of each head of CaptureLayout::groups[i]
  std::map<int32_t, double> buckets;  ///< over all heads
  double all = 0;                     ///< over all heads
  bool drawn = false;                 ///< drawn as the run will draw them, else expected values
};

/// Draws the rows of every document where all were counted and it takes no more than about
/// `most_draws` random numbers; otherwise adds up probabilities.
RowCount count_rows(const CaptureConfig& capture, const saver::CaptureLayout& layout,
                    const DocumentCount& documents, double most_draws = 5e8);

}  // namespace qk::sniffer
