#pragma once
/// The lane of a rank that does not see rank 0's folder: its records go to rank 0
/// (lane_receiver.h).
#include <cstddef>
#include <span>
#include <vector>

#include "parallel/job.h"
#include "saver/rows.h"
#include "saver/spool_format.h"
#include "saver/spool_index.h"

namespace qk::saver {

/// Records travel in parcels of some MB, none of which has bytes of two; an empty one is the end.
class LaneSender {
 public:
  /// Of an empty lane. shape, post: must outlive this.
  LaneSender(const SpoolShape& shape, parallel::Post& post) : shape_(shape), post_(post) {}

  /// Waits until rank 0 has all of the batch.
  void append(const CapturedBatch& batch);

  /// Tells rank 0 that nothing follows.
  void finish();

 private:
  void add(std::span<const std::byte> bytes);
  void send();

  const SpoolShape& shape_;
  parallel::Post& post_;
  LaneEnd end_;                    // without segments: where they end is rank 0's business
  std::vector<std::byte> parcel_;  // the next one
};

}  // namespace qk::saver
