#include "sniffer/pipeline_order.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace qk::sniffer {
namespace {

/// More are joined; three times as many as joining may leave.
constexpr int64_t kMostPerRank = 6 * kLongPerRank;

int64_t share_of_rank(int64_t total, int ranks) { return total / ranks; }

/// Neighbours that are no long document together become one.
void join(std::vector<Stretch>& stretches, int64_t total, int ranks) {
  const int64_t most = share_of_rank(total, ranks) / kLongPerRank;
  std::vector<Stretch> joined;
  for (const Stretch& next : stretches) {
    if (!joined.empty() && joined.back().end == next.begin &&
        joined.back().cost + next.cost <= most) {
      joined.back().end = next.end;
      joined.back().cost += next.cost;
    } else {
      joined.push_back(next);
    }
  }
  stretches = std::move(joined);
}

/// 0: over half of a rank's share.
int class_of(const Stretch& stretch, int64_t share) {
  int number = 0;
  for (int part = 2; part <= kLongPerRank && stretch.cost <= share / part; part *= 2) ++number;
  return number;
}

}  // namespace

int64_t cost_of(const std::vector<Stretch>& stretches) {
  return std::accumulate(stretches.begin(), stretches.end(), int64_t{0},
                         [](int64_t sum, const Stretch& s) { return sum + s.cost; });
}

void CostProfile::add(int64_t index, int64_t cost) {
  stretches_.push_back({std::exchange(end_, index + 1), index + 1, cost});
  cost_ += cost;
  if (std::ssize(stretches_) > kMostPerRank * ranks_) join(stretches_, cost_, ranks_);
}

std::vector<Stretch> CostProfile::stretches(int64_t total) && {
  join(stretches_, total, ranks_);
  return std::move(stretches_);
}

std::vector<Stretch> longest_first(std::vector<Stretch> stretches, int ranks) {
  const int64_t total = cost_of(stretches);
  join(stretches, total, ranks);
  const int64_t share = share_of_rank(total, ranks);
  std::ranges::stable_sort(stretches, {}, [&](const Stretch& s) { return class_of(s, share); });
  return stretches;
}

}  // namespace qk::sniffer
