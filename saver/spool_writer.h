#pragma once
/// Appends records to one lane of the spool.
#include <cstdint>
#include <filesystem>
#include <optional>

#include "saver/lane_files.h"
#include "saver/rows.h"
#include "saver/spool_format.h"
#include "saver/spool_index.h"

namespace qk::saver {

class SpoolWriter {
 public:
  /// As LaneFiles.
  SpoolWriter(std::filesystem::path folder, int64_t lane, const SpoolShape& shape, LaneEnd end,
              uint64_t segment_bytes);

  /// The spool is no longer needed: nothing has to be synced any more.
  void forget_unsynced() { files_.forget_unsynced(); }

  /// The unit that the batch completes; nullopt: it was a part. Throws OutputError; the lane then
  /// ends behind the last whole record, and append() may be tried again.
  std::optional<SpoolUnit> append(const CapturedBatch& batch);

  const LaneEnd& end() const { return files_.end(); }

 private:
  const SpoolShape& shape_;
  LaneFiles files_;
};

}  // namespace qk::saver
