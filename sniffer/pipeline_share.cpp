#include "sniffer/pipeline_share.h"

#include <algorithm>

namespace qk::sniffer {
namespace {

constexpr int64_t kOfUnknown = 16;  // documents in a chunk where their number is not known
constexpr int64_t kMost = 256;
constexpr int64_t kChunksPerRank = 8;  // of what is left, a chunk is this part of a rank's share

}  // namespace

int64_t WorkShare::chunk_size(int64_t begin) const {
  if (!documents_) return kOfUnknown;
  const int64_t left = std::max<int64_t>(0, *documents_ - begin);
  return std::clamp<int64_t>(left / (kChunksPerRank * job_.size()), 1, kMost);
}

/// Chunks have the same borders on every rank; the counter says whose the next one is.
void WorkShare::take_chunk() {
  const int64_t mine = job_.add(parallel::Counter::Work, 1);
  for (; chunk_ < mine; ++chunk_) {
    begin_ = end_;
    end_ = begin_ + chunk_size(begin_);
  }
}

int64_t WorkShare::next(int64_t index) {
  if (job_.size() == 1) return index;
  while (index >= end_) take_chunk();
  return std::max(index, begin_);
}

}  // namespace qk::sniffer
