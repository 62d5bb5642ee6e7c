#pragma once
/// Which documents of the dataset a rank captures.
#include <cstdint>
#include <optional>

#include "parallel/job.h"

namespace qk::sniffer {

/// Consecutive documents go to whichever rank asks next, fewer at a time towards the end, so that
/// all ranks end at about the same time.
class WorkShare {
 public:
  /// documents: of the dataset, where that is known. job: must outlive this.
  WorkShare(parallel::Job& job, std::optional<int64_t> documents)
      : job_(job), documents_(documents) {}

  /// The least index from `index` on that this rank captures; may lie beyond the dataset's end.
  /// Never goes back.
  int64_t next(int64_t index);

 private:
  void take_chunk();
  int64_t chunk_size(int64_t begin) const;

  parallel::Job& job_;
  const std::optional<int64_t> documents_;
  int64_t chunk_ = -1, begin_ = 0, end_ = 0;  // the last chunk that was looked at
};

}  // namespace qk::sniffer
