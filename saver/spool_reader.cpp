#include "saver/spool_reader.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

namespace qk::saver {
namespace fs = std::filesystem;

SpoolCursor::SpoolCursor(fs::path folder, const SpoolIndex& index, const SpoolShape& shape,
                         int64_t first_document)
    : folder_(std::move(folder)), index_(index), shape_(shape) {
  const auto first =
      std::ranges::lower_bound(index.units, first_document, {}, &SpoolUnit::first_document);
  next_unit_ = static_cast<size_t>(first - index.units.begin());
}

bool SpoolCursor::next() {
  if (records_left_ == 0) {
    if (next_unit_ == index_.units.size()) return false;
    begin_unit(index_.units[next_unit_++]);
  }
  --records_left_;
  const std::vector<uint64_t>& segments = index_.lanes.at(lane_).segments;
  while (next_ >= segments.at(segment_)) {
    ++segment_;
    next_ = 0;
  }
  open();
  at_ = next_;
  std::vector<std::byte> head(shape_.head_bytes());
  read({{head.data(), head.size()}}, 0);
  std::optional<Record> record = decode_head(head, shape_);
  if (!record) throw damaged();
  record_ = std::move(*record);
  next_ = at_ + record_.header.record_bytes;
  return true;
}

void SpoolCursor::begin_unit(const SpoolUnit& unit) {
  lane_ = unit.lane;
  segment_ = unit.segment;
  next_ = unit.begin;
  records_left_ = unit.records;
}

/// Units of different lanes alternate, so some files stay open.
void SpoolCursor::open() {
  const std::pair<int64_t, uint64_t> place{lane_, segment_};
  if (const auto open = files_.find(place); open != files_.end()) {
    fd_ = &open->second;
    return;
  }
  if (files_.size() == kOpenFiles) files_.clear();
  fd_ = &files_.emplace(place, open_fd(file(), O_RDONLY)).first->second;
}

void SpoolCursor::read(std::vector<iovec> parts, uint64_t at) const {
  read_fully(*fd_, std::move(parts), at_ + at, file());
}

std::vector<Document> SpoolCursor::read_documents() const {
  std::vector<std::byte> bytes(record_.header.documents_bytes);
  read({{bytes.data(), bytes.size()}}, record_.documents_at);
  if (checksum(bytes) != record_.header.documents_sum) throw damaged();
  return decode_documents(bytes, record_.header.documents);
}

OutputError SpoolCursor::damaged() const {
  return OutputError(
      "{}: damaged at byte {} since it was written. Run the same command again: it drops what is "
      "damaged and computes it again.",
      file().string(), at_);
}

}  // namespace qk::saver
