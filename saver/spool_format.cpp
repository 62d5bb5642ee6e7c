#include "saver/spool_format.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <limits>
#include <regex>

#include "base/error.h"

#define XXH_INLINE_ALL
#include "arrow/vendored/xxhash.h"

namespace qk::saver {
namespace {

constexpr uint32_t kMagic = 0x4c505351;  // "QSPL"
constexpr uint32_t kVersion = 2;

static_assert(std::endian::native == std::endian::little, "the spool is little-endian");
static_assert(sizeof(RecordHeader) == 72, "no padding");

void put(std::vector<std::byte>& out, const void* data, size_t bytes) {
  const auto* begin = static_cast<const std::byte*>(data);
  out.insert(out.end(), begin, begin + bytes);
}

template <typename T>
void put(std::vector<std::byte>& out, T value) {
  put(out, &value, sizeof(value));
}

template <typename T>
T take(std::span<const std::byte>& bytes) {
  QK_ASSERT(bytes.size() >= sizeof(T));
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  bytes = bytes.subspan(sizeof(T));
  return value;
}

/// Writes the sum into encoded head bytes and returns it.
uint64_t seal_head(std::span<std::byte> head) {
  const uint64_t zero = 0;
  std::byte* place = head.data() + offsetof(RecordHeader, head_sum);
  std::memcpy(place, &zero, sizeof(zero));
  const uint64_t sum = checksum(head);
  std::memcpy(place, &sum, sizeof(sum));
  return sum;
}

XXH3_state_t* as_state(void* memory) { return static_cast<XXH3_state_t*>(memory); }
const XXH3_state_t* as_state(const void* memory) {
  return static_cast<const XXH3_state_t*>(memory);
}

}  // namespace

SpoolShape::SpoolShape(const CaptureLayout& layout)
    : vector_bytes(static_cast<uint64_t>(layout.head_dim * bytes_of(layout.vector_type))),
      columns(layout.token_strings ? 4 : 3) {
  for (const LayerHeads& group : layout.groups) heads.push_back(group.heads.size());
}

uint64_t SpoolShape::head_bytes() const {
  return sizeof(RecordHeader) + heads.size() * sizeof(uint32_t);
}

bool is_whole(const RecordHeader& header, uint64_t bytes) {
  return header.magic == kMagic && header.version == kVersion &&
         header.record_bytes >= sizeof(RecordHeader) && header.record_bytes <= bytes;
}

void Record::place(const SpoolShape& shape) {
  uint64_t at = shape.head_bytes();
  documents_at = at;
  at += header.documents_bytes;
  for (size_t i = 0; i < groups.size(); ++i) {
    groups[i].sums = at;
    if (groups[i].rows > 0) at += (1 + shape.heads[i]) * sizeof(uint64_t);
  }
  for (Group& group : groups) {
    group.columns = at;
    at += group.rows * shape.columns * sizeof(int32_t);
  }
  for (size_t i = 0; i < groups.size(); ++i) {
    groups[i].vectors = at;
    at += groups[i].rows * shape.heads[i] * shape.vector_bytes;
  }
  header.record_bytes = at;
}

std::vector<std::byte> encode_head(Record& record, const SpoolShape& shape) {
  record.header.magic = kMagic;
  record.header.version = kVersion;
  record.header.capture_id = shape.capture_id;
  record.header.groups = static_cast<uint32_t>(shape.heads.size());
  std::vector<std::byte> bytes;
  bytes.reserve(shape.head_bytes());
  put(bytes, record.header);
  for (const Record::Group& group : record.groups) put(bytes, static_cast<uint32_t>(group.rows));
  record.header.head_sum = seal_head(bytes);
  return bytes;
}

std::optional<Record> decode_head(std::span<const std::byte> bytes, const SpoolShape& shape) {
  if (bytes.size() != shape.head_bytes()) return std::nullopt;
  std::vector<std::byte> copy(bytes.begin(), bytes.end());
  std::span<const std::byte> rest(bytes);
  Record record;
  record.header = take<RecordHeader>(rest);
  const RecordHeader& header = record.header;
  if (header.magic != kMagic || header.version != kVersion ||
      header.capture_id != shape.capture_id || header.groups != shape.heads.size() ||
      header.head_sum != seal_head(copy)) {
    return std::nullopt;
  }
  record.groups.resize(shape.heads.size());
  for (Record::Group& group : record.groups) group.rows = take<uint32_t>(rest);
  const uint64_t told_bytes = header.record_bytes;
  record.place(shape);
  if (record.header.record_bytes != told_bytes) return std::nullopt;
  return record;
}

std::vector<std::byte> encode_documents(std::span<const Document> documents) {
  std::vector<std::byte> out;
  for (const Document& document : documents) {
    QK_ASSERT(document.source_id.size() <= std::numeric_limits<uint32_t>::max());
    put(out, document.index);
    put(out, document.example_id);
    put(out, document.tokens);
    put(out, document.rows);
    put(out, static_cast<uint32_t>(document.truncated));
    put(out, static_cast<uint32_t>(document.source_id.size()));
    put(out, document.source_id.data(), document.source_id.size());
  }
  return out;
}

std::vector<Document> decode_documents(std::span<const std::byte> bytes, size_t count) {
  std::vector<Document> documents;
  for (size_t i = 0; i < count; ++i) {
    Document document;
    document.index = take<int64_t>(bytes);
    document.example_id = take<int64_t>(bytes);
    document.tokens = take<int64_t>(bytes);
    document.rows = take<int64_t>(bytes);
    document.truncated = take<uint32_t>(bytes) != 0;
    const auto length = take<uint32_t>(bytes);
    QK_ASSERT(bytes.size() >= length);
    document.source_id.assign(reinterpret_cast<const char*>(bytes.data()), length);
    bytes = bytes.subspan(length);
    documents.push_back(std::move(document));
  }
  QK_ASSERT(bytes.empty());
  return documents;
}

std::filesystem::path segment_file(const std::filesystem::path& folder, int64_t lane,
                                   size_t segment) {
  return folder / fmt::format("rows-{:04}-{:04}.spool", lane, segment);
}

std::optional<int64_t> lane_of(const std::filesystem::path& file) {
  static const std::regex kPattern("rows-([0-9]{4,9})-[0-9]{4,}\\.spool");
  std::smatch match;
  const std::string name = file.filename().string();
  if (!std::regex_match(name, match, kPattern)) return std::nullopt;
  return std::stoll(match[1]);
}

uint64_t checksum(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

Checksum::Checksum() {
  static_assert(sizeof(XXH3_state_t) <= sizeof(Memory) && alignof(XXH3_state_t) <= alignof(Memory));
  reset();
}

void Checksum::reset() { XXH3_64bits_reset(as_state(&state_)); }

void Checksum::add(std::span<const std::byte> bytes) {
  XXH3_64bits_update(as_state(&state_), bytes.data(), bytes.size());
}

uint64_t Checksum::value() const { return XXH3_64bits_digest(as_state(&state_)); }

}  // namespace qk::saver
