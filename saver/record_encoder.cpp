#include "saver/record_encoder.h"

#include <limits>
#include <span>

#include "base/error.h"

namespace qk::saver {
namespace {

iovec as_part(const void* data, size_t bytes) { return {const_cast<void*>(data), bytes}; }

template <typename T>
iovec as_part(const std::vector<T>& values) {
  return as_part(values.data(), values.size() * sizeof(T));
}

template <typename T>
std::span<const std::byte> bytes_of_vector(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

/// Blocks by group; nullptr where a group has no rows.
std::vector<const RowBlock*> blocks_by_group(const CapturedBatch& batch, const SpoolShape& shape) {
  std::vector<const RowBlock*> blocks(shape.heads.size());
  for (const RowBlock& block : batch.blocks) {
    const size_t rows = block.position.size();
    QK_ASSERT(block.group >= 0 && static_cast<size_t>(block.group) < blocks.size());
    QK_ASSERT(blocks[block.group] == nullptr);
    QK_ASSERT(rows <= std::numeric_limits<uint32_t>::max());
    QK_ASSERT(block.bucket.size() == rows && block.example_id.size() == rows);
    QK_ASSERT(block.token_id.size() == (shape.columns == 4 ? rows : 0));
    QK_ASSERT(block.vectors.size() == rows * shape.heads[block.group] * shape.vector_bytes);
    if (rows > 0) blocks[block.group] = &block;
  }
  return blocks;
}

std::vector<uint64_t> sums_of(const std::vector<const RowBlock*>& blocks, const SpoolShape& shape) {
  std::vector<uint64_t> sums;
  for (size_t group = 0; group < blocks.size(); ++group) {
    if (blocks[group] == nullptr) continue;
    const RowBlock& block = *blocks[group];
    Checksum columns;
    columns.add(bytes_of_vector(block.bucket));
    columns.add(bytes_of_vector(block.example_id));
    columns.add(bytes_of_vector(block.position));
    columns.add(bytes_of_vector(block.token_id));
    sums.push_back(columns.value());
    const uint64_t piece = block.position.size() * shape.vector_bytes;
    for (uint64_t head = 0; head < shape.heads[group]; ++head) {
      sums.push_back(checksum(std::span(block.vectors).subspan(head * piece, piece)));
    }
  }
  return sums;
}

void add_rows(std::vector<iovec>& parts, const std::vector<const RowBlock*>& blocks) {
  for (const RowBlock* block : blocks) {
    if (block == nullptr) continue;
    parts.push_back(as_part(block->bucket));
    parts.push_back(as_part(block->example_id));
    parts.push_back(as_part(block->position));
    parts.push_back(as_part(block->token_id));
  }
  for (const RowBlock* block : blocks) {
    if (block != nullptr) parts.push_back(as_part(block->vectors.data(), block->vectors.size()));
  }
}

}  // namespace

EncodedRecord::EncodedRecord(const CapturedBatch& batch, const SpoolShape& shape,
                             const LaneEnd& end) {
  const std::vector<const RowBlock*> blocks = blocks_by_group(batch, shape);
  documents_ = encode_documents(batch.documents);
  sums_ = sums_of(blocks, shape);

  Record record;
  record.groups.resize(blocks.size());
  for (size_t group = 0; group < blocks.size(); ++group) {
    if (blocks[group] != nullptr) record.groups[group].rows = blocks[group]->position.size();
  }
  record.header.sequence = end.next_sequence;
  record.header.documents_before = end.documents;
  record.header.documents = static_cast<uint32_t>(batch.documents.size());
  record.header.documents_bytes = documents_.size();
  record.header.documents_sum = checksum(documents_);
  record.place(shape);
  head_ = encode_head(record, shape);

  parts_ = {as_part(head_), as_part(documents_), as_part(sums_)};
  add_rows(parts_, blocks);
}

}  // namespace qk::saver
