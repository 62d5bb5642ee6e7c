#pragma once
/// Appends records to one lane of the spool: segments rows-<lane>-0000.spool, -0001, ... of a
/// folder. A record lies whole in one segment. Bytes go to the kernel in append(), so a killed
/// process loses none of them; a helper thread makes them durable against power loss every few
/// seconds or few hundred MiB.
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

#include "saver/file_io.h"
#include "saver/rows.h"
#include "saver/spool_format.h"
#include "saver/spool_index.h"

namespace qk::saver {

class SpoolWriter {
 public:
  /// Continues a lane behind `end`. segment_bytes: a segment that has reached it is followed by a
  /// new one.
  SpoolWriter(std::filesystem::path folder, int64_t lane, const SpoolShape& shape, LaneEnd end,
              uint64_t segment_bytes);
  ~SpoolWriter();  ///< syncs what is left, silently

  /// The spool is no longer needed: nothing has to be synced any more.
  void forget_unsynced();

  /// The unit that the batch completes; nullopt: it was a part. Throws OutputError; the lane then
  /// ends behind the last whole record, and append() may be tried again.
  std::optional<SpoolUnit> append(const CapturedBatch& batch);

  const LaneEnd& end() const { return end_; }

 private:
  class Syncer;
  std::filesystem::path file() const;
  void open_segment();
  SpoolUnit end_unit(const std::vector<Document>& documents);

  std::filesystem::path folder_;
  const int64_t lane_;
  const SpoolShape& shape_;
  LaneEnd end_;
  SpoolUnit unit_;  // whose records are being appended
  uint64_t segment_bytes_;
  std::shared_ptr<Fd> segment_;
  std::unique_ptr<Syncer> syncer_;
};

}  // namespace qk::saver
