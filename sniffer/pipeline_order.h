#pragma once
/// In which order the documents of a capture are handed out to several ranks: long ones first.
#include <cstdint>
#include <vector>

namespace qk::sniffer {

/// Documents begin..end-1 of the dataset, and what those of them that are to be captured cost
/// together (see DocumentCost).
struct Stretch {
  int64_t begin = 0, end = 0;
  int64_t cost = 0;

  bool operator==(const Stretch&) const = default;
};

/// A document is long if it costs more than this part of what a rank has to do on average. Shorter
/// ones make no difference to when the ranks end, in whatever order they come.
constexpr int kLongPerRank = 64;

int64_t cost_of(const std::vector<Stretch>& stretches);

/// What a part of the dataset costs, as stretches without a gap. Memory does not grow with the
/// dataset.
class CostProfile {
 public:
  /// first: the first document of the part. ranks: that the whole dataset is for.
  CostProfile(int64_t first, int ranks) : end_(first), ranks_(ranks) {}

  /// Documents in ascending order; those between two calls are not to be captured.
  void add(int64_t index, int64_t cost);

  int64_t cost() const { return cost_; }

  /// total: of the whole dataset. A stretch that costs more than a long document's least has
  /// but one document to be captured.
  std::vector<Stretch> stretches(int64_t total) &&;

 private:
  std::vector<Stretch> stretches_;
  int64_t end_;
  const int ranks_;
  int64_t cost_ = 0;
};

/// The stretches of all parts in dataset order -> in the order in which they are to be handed out:
/// documents that cost over half of a rank's share, over a quarter, ..., over a 64th, and then the
/// rest; each class in dataset order. All is dataset order where no document is long.
std::vector<Stretch> longest_first(std::vector<Stretch> stretches, int ranks);

}  // namespace qk::sniffer
