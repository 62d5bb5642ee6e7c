#include "saver/spool_writer.h"

#include <utility>

#include "saver/record_encoder.h"

namespace qk::saver {

SpoolWriter::SpoolWriter(std::filesystem::path folder, int64_t lane, const SpoolShape& shape,
                         LaneEnd end, uint64_t segment_bytes)
    : shape_(shape), files_(std::move(folder), lane, std::move(end), segment_bytes) {}

std::optional<SpoolUnit> SpoolWriter::append(const CapturedBatch& batch) {
  const EncodedRecord record(batch, shape_, files_.end());
  files_.write(record.parts());
  return files_.end_record(batch.documents);
}

}  // namespace qk::saver
