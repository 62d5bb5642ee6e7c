#pragma once
/// Which documents of the dataset a rank captures.
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "parallel/job.h"
#include "sniffer/pipeline_order.h"

namespace qk::sniffer {

/// Documents begin..end-1 of the dataset.
struct Chunk {
  int64_t begin = 0, end = std::numeric_limits<int64_t>::max();

  bool operator==(const Chunk&) const = default;
};

/// Consecutive documents go to whichever rank asks next, fewer at a time towards the end, so that
/// all ranks end at about the same time.
class WorkShare {
 public:
  /// order: what there is, in the order in which it is handed out, the same on all ranks; nullopt:
  /// the dataset in its order, for ever. least_cost: of a chunk, where as much stands side by side.
  /// job: must outlive this. One process has all in one chunk.
  WorkShare(parallel::Job& job, std::optional<std::vector<Stretch>> order, int64_t least_cost = 0);

  /// The next documents that this rank captures; they may stand before the last ones. nullopt:
  /// everything has been handed out. In all chunks of all ranks each document stands once.
  std::optional<Chunk> next();

  /// A rank that has as much as this in hand does not ask for more yet. Falls towards the end.
  int64_t cost_ahead() const;

 private:
  std::optional<Chunk> cut();
  void pass(int64_t documents);
  int64_t cost_of_chunk() const;

  parallel::Job& job_;
  const std::optional<std::vector<Stretch>> order_;
  const int64_t least_cost_;
  int64_t chunks_ = 0;     // that have been cut, for whatever rank
  size_t stretch_ = 0;     // of the next chunk's first document
  int64_t begin_ = 0;      // the next chunk's first document
  int64_t cost_left_ = 0;  // of stretch_ and those behind it
};

}  // namespace qk::sniffer
