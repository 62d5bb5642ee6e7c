#pragma once
/// Appends records to the spool: a folder of segments rows-0000.spool, rows-0001.spool, ...
/// A record lies whole in one segment. Bytes go to the kernel in append(), so a killed process
/// loses none of them; a helper thread makes them durable against power loss every few seconds or
/// few hundred MiB.
#include <cstdint>
#include <filesystem>
#include <memory>
#include <numeric>
#include <vector>

#include "saver/file_io.h"
#include "saver/rows.h"
#include "saver/spool_format.h"

namespace qk::saver {

/// Where a spool ends.
struct SpoolEnd {
  std::vector<uint64_t> segments;  ///< bytes of each segment
  uint64_t next_sequence = 0;
  uint64_t documents = 0;

  uint64_t bytes() const { return std::accumulate(segments.begin(), segments.end(), uint64_t{0}); }
};

class SpoolWriter {
 public:
  /// Continues behind `end`. segment_bytes: a segment that has reached it is followed by a new one.
  SpoolWriter(std::filesystem::path folder, const SpoolShape& shape, SpoolEnd end,
              uint64_t segment_bytes);
  ~SpoolWriter();  ///< syncs what is left, silently

  /// The spool is no longer needed: nothing has to be synced any more.
  void forget_unsynced();

  /// Throws OutputError; the spool then ends behind the last whole record, and append() may be
  /// tried again.
  void append(const CapturedBatch& batch);

  const SpoolEnd& end() const { return end_; }

 private:
  class Syncer;
  void open_segment();

  std::filesystem::path folder_;
  const SpoolShape& shape_;
  SpoolEnd end_;
  uint64_t segment_bytes_;
  std::shared_ptr<Fd> segment_;
  std::unique_ptr<Syncer> syncer_;
};

}  // namespace qk::saver
