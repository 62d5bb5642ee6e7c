#pragma once
/// The files of one lane of the spool: segments rows-<lane>-0000.spool, -0001, ... of a folder. A
/// record lies whole in one segment. Bytes go to the kernel in write(), so a killed process loses
/// none of them; a helper thread makes them durable against power loss every few seconds or few
/// hundred MiB.
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "saver/file_io.h"
#include "saver/rows.h"
#include "saver/spool_index.h"

namespace qk::saver {

class LaneFiles {
 public:
  /// Continues a lane behind `end`. segment_bytes: a segment that has reached it is followed by a
  /// new one.
  LaneFiles(std::filesystem::path folder, int64_t lane, LaneEnd end, uint64_t segment_bytes);
  ~LaneFiles();  ///< syncs what is left, silently

  /// The spool is no longer needed: nothing has to be synced any more.
  void forget_unsynced();

  /// Adds to the record under way. Throws OutputError; the lane then ends behind the last whole
  /// record, and the record may be tried again from its start.
  void write(std::vector<iovec> parts);

  /// The record is whole; documents: that it lists. The unit that it completes; nullopt: it was a
  /// part. Throws OutputError where earlier bytes could not be made durable.
  std::optional<SpoolUnit> end_record(std::span<const Document> documents);

  /// Behind the last whole record.
  const LaneEnd& end() const { return end_; }

 private:
  class Syncer;
  std::filesystem::path file() const;
  void open_segment();
  SpoolUnit end_unit(std::span<const Document> documents);

  std::filesystem::path folder_;
  const int64_t lane_;
  LaneEnd end_;
  SpoolUnit unit_;  // whose records are being appended
  const uint64_t segment_bytes_;
  uint64_t written_ = 0;  // of the record under way
  std::shared_ptr<Fd> segment_;
  std::unique_ptr<Syncer> syncer_;
};

}  // namespace qk::saver
