#include "sniffer/pipeline_share.h"

#include <algorithm>
#include <utility>

namespace qk::sniffer {
namespace {

constexpr int64_t kOfUnknown = 16;  // documents in a chunk where their number is not known
constexpr int64_t kMost = 256;
constexpr int64_t kChunksInHand = 2;   // one is computed while the next one's texts are read
constexpr int64_t kChunksPerRank = 8;  // of what is left, a chunk is this part of a rank's share

/// On average, where a stretch has many.
int64_t cost_of_document(const Stretch& stretch) {
  return std::max<int64_t>(1, stretch.cost / (stretch.end - stretch.begin));
}

}  // namespace

WorkShare::WorkShare(parallel::Job& job, std::optional<std::vector<Stretch>> order,
                     int64_t least_cost)
    : job_(job), order_(std::move(order)), least_cost_(least_cost) {
  if (!order_ || order_->empty()) return;
  begin_ = order_->front().begin;
  cost_left_ = cost_of(*order_);
}

/// Chunks have the same borders on every rank; the counter says whose the next one is.
std::optional<Chunk> WorkShare::next() {
  if (job_.size() == 1) return Chunk{};
  const int64_t mine = job_.add(parallel::Counter::Work, 1);
  std::optional<Chunk> chunk;
  for (; chunks_ <= mine; ++chunks_) chunk = cut();
  return chunk;
}

int64_t WorkShare::cost_ahead() const {
  const int64_t ahead = kChunksInHand * cost_of_chunk();
  if (!order_ || stretch_ == order_->size()) return ahead;
  // As long as there is another one for every rank, each may have one more than it computes.
  const int64_t each = cost_of_document((*order_)[stretch_]);
  return cost_left_ < job_.size() * each ? ahead : std::max(ahead, kChunksInHand * each);
}

int64_t WorkShare::cost_of_chunk() const {
  return std::max(least_cost_, cost_left_ / (kChunksPerRank * job_.size()));
}

/// Reaches over stretches that stand side by side in the dataset.
std::optional<Chunk> WorkShare::cut() {
  if (!order_) {
    const int64_t begin = std::exchange(begin_, begin_ + kOfUnknown);
    return Chunk{begin, begin_};
  }
  if (stretch_ == order_->size()) return std::nullopt;
  Chunk chunk{begin_, begin_};
  int64_t cost = cost_of_chunk();
  while (stretch_ < order_->size() && begin_ == chunk.end) {
    const Stretch& stretch = (*order_)[stretch_];
    const int64_t each = cost_of_document(stretch);
    const int64_t least = chunk.begin == chunk.end ? 1 : 0;
    const int64_t most = std::min(stretch.end, chunk.begin + kMost) - begin_;
    const int64_t documents = std::min(std::max(cost / each, least), most);
    if (documents == 0) break;
    chunk.end += documents;
    cost -= documents * each;
    pass(documents);
  }
  return chunk;
}

void WorkShare::pass(int64_t documents) {
  const Stretch& stretch = (*order_)[stretch_];
  const int64_t each = cost_of_document(stretch);
  begin_ += documents;
  cost_left_ -= documents * each;
  if (begin_ < stretch.end) return;
  cost_left_ -= stretch.cost - (stretch.end - stretch.begin) * each;
  if (++stretch_ < order_->size()) begin_ = (*order_)[stretch_].begin;
}

}  // namespace qk::sniffer
