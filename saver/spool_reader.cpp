#include "saver/spool_reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"

namespace qk::saver {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kChunkBytes = 1 << 20;

/// Consecutive bytes of a record, read in large chunks.
class Sequence {
 public:
  Sequence(const Fd& fd, const fs::path& file, uint64_t begin, uint64_t end)
      : fd_(fd), file_(file), at_(begin), end_(end), buffer_(std::min(kChunkBytes, end - begin)) {}

  uint64_t checksum_of_next(uint64_t bytes) {
    Checksum sum;
    while (bytes > 0) {
      const std::span<const std::byte> piece = take_some(bytes);
      sum.add(piece);
      bytes -= piece.size();
    }
    return sum.value();
  }

  void take(std::span<std::byte> out) {
    while (!out.empty()) {
      const std::span<const std::byte> piece = take_some(out.size());
      std::copy(piece.begin(), piece.end(), out.begin());
      out = out.subspan(piece.size());
    }
  }

 private:
  std::span<const std::byte> take_some(uint64_t most) {
    if (rest_.empty()) {
      const uint64_t bytes = std::min<uint64_t>(buffer_.size(), end_ - at_);
      read_fully(fd_, {{buffer_.data(), bytes}}, at_, file_);
      at_ += bytes;
      rest_ = std::span(buffer_).first(bytes);
    }
    const auto piece = rest_.first(std::min<uint64_t>(most, rest_.size()));
    rest_ = rest_.subspan(piece.size());
    return piece;
  }

  const Fd& fd_;
  const fs::path& file_;
  uint64_t at_, end_;
  std::vector<std::byte> buffer_;
  std::span<const std::byte> rest_;
};

/// Recovers one spool, segment by segment.
class Recovery {
 public:
  Recovery(const fs::path& folder, const SpoolShape& shape)
      : folder_(folder),
        shape_(shape),
        kept_{{}, CaptureTotals(shape.heads.size())},
        seen_(kept_) {}

  RecoveredSpool run() {
    size_t segment = 0;
    bool whole = true;
    for (; whole && fs::exists(segment_file(folder_, segment)); ++segment) whole = check(segment);
    cut();
    return std::move(kept_);
  }

 private:
  /// True when every byte of the segment belongs to a good record.
  bool check(size_t segment) {
    const fs::path file = segment_file(folder_, segment);
    const Fd fd = open_fd(file, O_RDONLY);
    const uint64_t size = size_of(fd, file);
    seen_.end.segments.push_back(0);
    uint64_t& at = seen_.end.segments.back();
    while (at < size) {
      const std::optional<Record> record = whole_record(fd, file, at, size);
      if (!record) return false;
      at += record->header.record_bytes;
      ++seen_.end.next_sequence;
      if (record->header.documents == 0) continue;
      seen_.end.documents += record->header.documents;
      kept_.end = seen_.end;
      kept_.totals.add(seen_.totals);
      seen_.totals = CaptureTotals(shape_.heads.size());
    }
    return true;
  }

  std::optional<Record> whole_record(const Fd& fd, const fs::path& file, uint64_t at,
                                     uint64_t size) {
    const uint64_t head_bytes = shape_.head_bytes();
    if (size - at < head_bytes) return std::nullopt;
    std::vector<std::byte> head(head_bytes);
    read_fully(fd, {{head.data(), head.size()}}, at, file);
    const std::optional<Record> record = decode_head(head, shape_);
    if (!record || record->header.record_bytes > size - at ||
        record->header.sequence != seen_.end.next_sequence ||
        record->header.documents_before != seen_.end.documents) {
      return std::nullopt;
    }
    Sequence body(fd, file, at + head_bytes, at + record->header.record_bytes);
    return check_body(body, *record) ? record : std::nullopt;
  }

  /// Adds what the record has to seen_.totals as it goes; a damaged record ends the recovery
  /// anyway.
  bool check_body(Sequence& body, const Record& record) {
    std::vector<std::byte> documents(record.header.documents_bytes);
    body.take(documents);
    if (checksum(documents) != record.header.documents_sum) return false;
    for (const Document& document : decode_documents(documents, record.header.documents)) {
      seen_.totals.add(document);
    }
    std::vector<uint64_t> sums;
    for (size_t i = 0; i < record.groups.size(); ++i) {
      if (record.groups[i].rows > 0) sums.resize(sums.size() + 1 + shape_.heads[i]);
    }
    body.take(std::as_writable_bytes(std::span(sums)));
    return check_columns(body, record, sums) && check_vectors(body, record, sums);
  }

  bool check_columns(Sequence& body, const Record& record, std::span<const uint64_t> sums) {
    std::vector<int32_t> columns;
    for (size_t i = 0; i < record.groups.size(); ++i) {
      const uint64_t rows = record.groups[i].rows;
      if (rows == 0) continue;
      columns.resize(rows * shape_.columns);
      body.take(std::as_writable_bytes(std::span(columns)));
      if (checksum(std::as_bytes(std::span(columns))) != sums.front()) return false;
      sums = sums.subspan(1 + shape_.heads[i]);
      const auto bucket = std::span<const int32_t>(columns).first(rows);
      seen_.totals.add_rows(i, static_cast<int64_t>(shape_.heads[i]), bucket);
    }
    return true;
  }

  bool check_vectors(Sequence& body, const Record& record, std::span<const uint64_t> sums) {
    for (size_t i = 0; i < record.groups.size(); ++i) {
      if (record.groups[i].rows == 0) continue;
      const uint64_t piece = record.groups[i].rows * shape_.vector_bytes;
      for (uint64_t head = 0; head < shape_.heads[i]; ++head) {
        if (body.checksum_of_next(piece) != sums[1 + head]) return false;
      }
      sums = sums.subspan(1 + shape_.heads[i]);
    }
    return true;
  }

  /// Removes everything behind the kept records.
  void cut() const {
    const std::vector<uint64_t>& segments = kept_.end.segments;
    uint64_t dropped = 0;
    for (size_t segment = 0; fs::exists(segment_file(folder_, segment)); ++segment) {
      const fs::path file = segment_file(folder_, segment);
      const uint64_t keep = segment < segments.size() ? segments[segment] : 0;
      const Fd fd = open_fd(file, O_WRONLY);
      const uint64_t size = size_of(fd, file);
      dropped += size - keep;
      if (size > keep && ::ftruncate(fd.get(), static_cast<off_t>(keep)) != 0) {
        throw io_error("cut", file, errno);
      }
      if (segment >= segments.size()) fs::remove(file);
    }
    if (dropped == 0) return;
    log::warn(
        "{}: the last {} of the unfinished capture are torn or damaged: documents from number {} "
        "on are computed "
        "again",
        folder_.string(), human_bytes(dropped), kept_.end.documents);
  }

  const fs::path& folder_;
  const SpoolShape& shape_;
  RecoveredSpool kept_;
  RecoveredSpool seen_;  ///< end: of all good records; totals: of those behind the kept ones
};

}  // namespace

RecoveredSpool recover_spool(const fs::path& folder, const SpoolShape& shape) {
  return Recovery(folder, shape).run();
}

bool holds_documents(const fs::path& folder) {
  for (size_t segment = 0; fs::exists(segment_file(folder, segment)); ++segment) {
    const fs::path file = segment_file(folder, segment);
    const Fd fd = open_fd(file, O_RDONLY);
    const uint64_t size = size_of(fd, file);
    for (uint64_t at = 0; at + sizeof(RecordHeader) <= size;) {
      RecordHeader header;
      read_fully(fd, {{&header, sizeof header}}, at, file);
      if (!is_whole(header, size - at)) return false;
      if (header.documents > 0) return true;
      at += header.record_bytes;
    }
  }
  return false;
}

SpoolCursor::SpoolCursor(fs::path folder, std::vector<uint64_t> segments, const SpoolShape& shape)
    : folder_(std::move(folder)), segments_(std::move(segments)), shape_(shape) {}

bool SpoolCursor::next() {
  while (segment_ < segments_.size() && next_ >= segments_[segment_]) {
    ++segment_;
    next_ = 0;
    fd_ = Fd();
  }
  if (segment_ >= segments_.size()) return false;
  if (!fd_.is_open()) fd_ = open_fd(file(), O_RDONLY);
  at_ = next_;
  std::vector<std::byte> head(shape_.head_bytes());
  read({{head.data(), head.size()}}, 0);
  std::optional<Record> record = decode_head(head, shape_);
  if (!record) throw damaged();
  record_ = std::move(*record);
  next_ = at_ + record_.header.record_bytes;
  return true;
}

void SpoolCursor::read(std::vector<iovec> parts, uint64_t at) const {
  read_fully(fd_, std::move(parts), at_ + at, file());
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
