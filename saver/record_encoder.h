#pragma once
/// A batch as a record of the spool: spool_format.h.
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "saver/rows.h"
#include "saver/spool_format.h"
#include "saver/spool_index.h"

namespace qk::saver {

/// The bytes of one record. Vectors and columns stay where the batch has them.
class EncodedRecord {
 public:
  /// Of a record behind `end` in its lane. batch: must outlive this.
  EncodedRecord(const CapturedBatch& batch, const SpoolShape& shape, const LaneEnd& end);
  EncodedRecord(const EncodedRecord&) = delete;
  EncodedRecord& operator=(const EncodedRecord&) = delete;

  /// One behind the other; valid as long as this.
  const std::vector<iovec>& parts() const { return parts_; }

 private:
  std::vector<std::byte> head_, documents_;
  std::vector<uint64_t> sums_;
  std::vector<iovec> parts_;
};

}  // namespace qk::saver
