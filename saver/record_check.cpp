#include "saver/record_check.h"

#include <algorithm>

namespace qk::saver {
namespace {

uint64_t checksum_of_next(RecordBytes& bytes, uint64_t count) {
  Checksum sum;
  while (count > 0) {
    const std::span<const std::byte> piece = bytes.next(count);
    sum.add(piece);
    count -= piece.size();
  }
  return sum.value();
}

std::vector<uint64_t> take_sums(RecordBytes& bytes, const Record& record, const SpoolShape& shape) {
  std::vector<uint64_t> sums;
  for (size_t i = 0; i < record.groups.size(); ++i) {
    if (record.groups[i].rows > 0) sums.resize(sums.size() + 1 + shape.heads[i]);
  }
  take(bytes, std::as_writable_bytes(std::span(sums)));
  return sums;
}

bool check_columns(RecordBytes& bytes, const Record& record, const SpoolShape& shape,
                   std::span<const uint64_t> sums, CaptureTotals& totals) {
  std::vector<int32_t> columns;
  for (size_t i = 0; i < record.groups.size(); ++i) {
    const uint64_t rows = record.groups[i].rows;
    if (rows == 0) continue;
    columns.resize(rows * shape.columns);
    take(bytes, std::as_writable_bytes(std::span(columns)));
    if (checksum(std::as_bytes(std::span(columns))) != sums.front()) return false;
    sums = sums.subspan(1 + shape.heads[i]);
    const auto bucket = std::span<const int32_t>(columns).first(rows);
    totals.add_rows(i, static_cast<int64_t>(shape.heads[i]), bucket);
  }
  return true;
}

bool check_vectors(RecordBytes& bytes, const Record& record, const SpoolShape& shape,
                   std::span<const uint64_t> sums) {
  for (size_t i = 0; i < record.groups.size(); ++i) {
    if (record.groups[i].rows == 0) continue;
    const uint64_t piece = record.groups[i].rows * shape.vector_bytes;
    for (uint64_t head = 0; head < shape.heads[i]; ++head) {
      if (checksum_of_next(bytes, piece) != sums[1 + head]) return false;
    }
    sums = sums.subspan(1 + shape.heads[i]);
  }
  return true;
}

}  // namespace

void take(RecordBytes& bytes, std::span<std::byte> out) {
  while (!out.empty()) {
    const std::span<const std::byte> piece = bytes.next(out.size());
    std::copy(piece.begin(), piece.end(), out.begin());
    out = out.subspan(piece.size());
  }
}

std::optional<Record> decode_head_behind(const LaneEnd& end, std::span<const std::byte> bytes,
                                         const SpoolShape& shape) {
  std::optional<Record> record = decode_head(bytes, shape);
  if (!record || record->header.sequence != end.next_sequence ||
      record->header.documents_before != end.documents) {
    return std::nullopt;
  }
  return record;
}

bool check_body(RecordBytes& bytes, const Record& record, const SpoolShape& shape,
                RecordFacts& facts) {
  std::vector<std::byte> documents(record.header.documents_bytes);
  take(bytes, documents);
  if (checksum(documents) != record.header.documents_sum) return false;
  facts.documents = decode_documents(documents, record.header.documents);
  for (const Document& document : facts.documents) facts.totals.add(document);
  const std::vector<uint64_t> sums = take_sums(bytes, record, shape);
  return check_columns(bytes, record, shape, sums, facts.totals) &&
         check_vectors(bytes, record, shape, sums);
}

}  // namespace qk::saver
