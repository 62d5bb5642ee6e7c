#include "saver/spool_recovery.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <set>
#include <utility>

#include "base/log.h"
#include "base/numbers.h"
#include "saver/record_check.h"

namespace qk::saver {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kChunkBytes = 1 << 20;

/// Of a file, read in large chunks.
class BytesOfFile final : public RecordBytes {
 public:
  BytesOfFile(const Fd& fd, const fs::path& file, uint64_t begin, uint64_t end)
      : fd_(fd), file_(file), at_(begin), end_(end), buffer_(std::min(kChunkBytes, end - begin)) {}

  std::span<const std::byte> next(uint64_t most) override {
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

 private:
  const Fd& fd_;
  const fs::path& file_;
  uint64_t at_, end_;
  std::vector<std::byte> buffer_;
  std::span<const std::byte> rest_;
};

/// Recovers one lane, segment by segment.
class LaneRecovery {
 public:
  /// Good units are added to `found`.
  LaneRecovery(const fs::path& folder, int64_t lane, const SpoolShape& shape, RecoveredSpool& found)
      : folder_(folder), lane_(lane), shape_(shape), found_(found), facts_(shape.heads.size()) {}

  void run() {
    size_t segment = 0;
    bool whole = true;
    for (; whole && fs::exists(file_of(segment)); ++segment) whole = check(segment);
    cut();
    if (!kept_.segments.empty()) found_.index.lanes[lane_] = kept_;
  }

 private:
  fs::path file_of(size_t segment) const { return segment_file(folder_, lane_, segment); }

  /// True when every byte of the segment belongs to a good record.
  bool check(size_t segment) {
    const fs::path file = file_of(segment);
    const Fd fd = open_fd(file, O_RDONLY);
    const uint64_t size = size_of(fd, file);
    seen_.segments.push_back(0);
    for (uint64_t& at = seen_.segments.back(); at < size;) {
      const std::optional<Record> record = whole_record(fd, file, at, size);
      if (!record) return false;
      if (unit_.records++ == 0) {
        unit_.segment = segment;
        unit_.begin = at;
      }
      at += record->header.record_bytes;
      unit_.bytes += record->header.record_bytes;
      ++seen_.next_sequence;
      if (record->header.documents > 0 && !end_unit()) return false;
    }
    return true;
  }

  /// False when documents of the unit are in the spool already, or don't follow one another.
  bool end_unit() {
    const std::vector<Document>& documents = facts_.documents;
    unit_.lane = lane_;
    unit_.first_document = documents.front().index;
    unit_.documents = static_cast<int64_t>(documents.size());
    if (!are_consecutive(documents) ||
        found_.documents.intersects(unit_.first_document, unit_.end_document())) {
      return false;
    }
    seen_.documents += documents.size();
    kept_ = seen_;
    found_.documents.add(unit_.first_document, unit_.end_document());
    found_.index.units.push_back(std::exchange(unit_, {}));
    found_.totals.add(facts_.totals);
    facts_ = RecordFacts(shape_.heads.size());
    return true;
  }

  std::optional<Record> whole_record(const Fd& fd, const fs::path& file, uint64_t at,
                                     uint64_t size) {
    const uint64_t head_bytes = shape_.head_bytes();
    if (size - at < head_bytes) return std::nullopt;
    std::vector<std::byte> head(head_bytes);
    read_fully(fd, {{head.data(), head.size()}}, at, file);
    const std::optional<Record> record = decode_head_behind(seen_, head, shape_);
    if (!record || record->header.record_bytes > size - at) return std::nullopt;
    BytesOfFile body(fd, file, at + head_bytes, at + record->header.record_bytes);
    return check_body(body, *record, shape_, facts_) ? record : std::nullopt;
  }

  /// Removes everything behind the kept records.
  void cut() const {
    uint64_t dropped = 0;
    for (size_t segment = 0; fs::exists(file_of(segment)); ++segment) {
      const fs::path file = file_of(segment);
      const uint64_t keep = segment < kept_.segments.size() ? kept_.segments[segment] : 0;
      const Fd fd = open_fd(file, O_WRONLY);
      const uint64_t size = size_of(fd, file);
      dropped += size - keep;
      if (size > keep && ::ftruncate(fd.get(), static_cast<off_t>(keep)) != 0) {
        throw io_error("cut", file, errno);
      }
      if (segment >= kept_.segments.size()) fs::remove(file);
    }
    if (dropped == 0) return;
    log::warn(
        "{}: the last {} of the unfinished capture are torn or damaged; their documents are "
        "computed again",
        file_of(kept_.segments.empty() ? 0 : kept_.segments.size() - 1).string(),
        readable_bytes(dropped));
  }

  const fs::path& folder_;
  const int64_t lane_;
  const SpoolShape& shape_;
  RecoveredSpool& found_;
  LaneEnd kept_, seen_;  ///< behind the last unit; behind the last good record
  SpoolUnit unit_;       ///< the one being read
  RecordFacts facts_;    ///< of unit_
};

/// Ascending.
std::vector<int64_t> lanes_in(const fs::path& folder) {
  std::set<int64_t> lanes;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (const auto lane = lane_of(entry.path())) lanes.insert(*lane);
  }
  return {lanes.begin(), lanes.end()};
}

bool lane_holds_documents(const fs::path& folder, int64_t lane) {
  for (size_t segment = 0; fs::exists(segment_file(folder, lane, segment)); ++segment) {
    const fs::path file = segment_file(folder, lane, segment);
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

}  // namespace

bool are_consecutive(std::span<const Document> documents) {
  return std::ranges::adjacent_find(documents, [](const Document& a, const Document& b) {
           return b.index != a.index + 1;
         }) == documents.end();
}

RecoveredSpool recover_spool(const fs::path& folder, const SpoolShape& shape) {
  RecoveredSpool found(shape.heads.size());
  for (const int64_t lane : lanes_in(folder)) LaneRecovery(folder, lane, shape, found).run();
  return found;
}

bool holds_documents(const fs::path& folder) {
  return holds_earlier_format(folder) || std::ranges::any_of(lanes_in(folder), [&](int64_t lane) {
           return lane_holds_documents(folder, lane);
         });
}

bool holds_earlier_format(const fs::path& folder) { return fs::exists(folder / "rows-0000.spool"); }

}  // namespace qk::saver
