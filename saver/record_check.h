#pragma once
/// Reads a record of the spool and holds it against its sums, whether it comes from a file or from
/// another rank. Of the vectors, which are most of it, one piece at a time is in memory.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "saver/rows.h"
#include "saver/spool_format.h"
#include "saver/spool_index.h"
#include "saver/totals.h"

namespace qk::saver {

/// The bytes of a record, one piece after another.
class RecordBytes {
 public:
  virtual ~RecordBytes() = default;
  /// The next piece: at least one byte, at most so many; valid until the next call. Throws where
  /// there is none.
  virtual std::span<const std::byte> next(uint64_t most) = 0;
};

void take(RecordBytes& bytes, std::span<std::byte> out);

/// nullopt: these bytes are not the head of the record that has its place behind `end` in its lane.
std::optional<Record> decode_head_behind(const LaneEnd& end, std::span<const std::byte> bytes,
                                         const SpoolShape& shape);

/// What records list and have.
struct RecordFacts {
  explicit RecordFacts(size_t groups) : totals(groups) {}
  std::vector<Document> documents;  ///< of the last record
  CaptureTotals totals;             ///< of all
};

/// Takes everything behind the head. False: damaged; `facts` may then have some of it.
bool check_body(RecordBytes& bytes, const Record& record, const SpoolShape& shape,
                RecordFacts& facts);

}  // namespace qk::saver
