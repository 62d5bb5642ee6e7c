#pragma once
/// The records of the spool, byte by byte, and where they lie. docs/format.md tells the same as a
/// picture.
///
///   header · rows per group · documents · sums · columns · vectors
///
/// Groups without rows have neither sums, columns nor vectors. Sums are XXH3-64: of a group's
/// columns, then of each head's vectors. Columns of a group: bucket, example_id, position, token_id
/// (with token strings). All little-endian.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "saver/rows.h"

namespace qk::saver {

/// What the layout says about the sizes in a record.
struct SpoolShape {
  explicit SpoolShape(const CaptureLayout& layout);

  std::vector<uint64_t> heads;  ///< per group
  uint64_t vector_bytes = 0;    ///< one vector
  uint64_t columns = 0;         ///< int32 columns
  uint64_t capture_id = 0;      ///< in every record: records of another capture are no records

  uint64_t head_bytes() const;  ///< header and rows per group
};

struct RecordHeader {
  uint32_t magic;
  uint32_t version;
  uint64_t capture_id;
  uint64_t sequence;          ///< 0, 1, 2, ... over all segments of the lane
  uint64_t documents_before;  ///< in earlier records of the lane
  uint32_t documents;         ///< in this one; 0: a part, the documents follow in a later record
  uint32_t groups;
  uint64_t documents_bytes;
  uint64_t documents_sum;
  uint64_t record_bytes;
  uint64_t head_sum;  ///< of the header with head_sum 0, and the rows per group
};

/// Is this a header of this version, of a record that fits into `bytes`?
bool is_whole(const RecordHeader& header, uint64_t bytes);

/// Where the parts of one record are, in bytes from its start.
struct Record {
  struct Group {
    uint64_t rows = 0;
    uint64_t sums = 0, columns = 0, vectors = 0;
  };
  RecordHeader header{};
  std::vector<Group> groups;
  uint64_t documents_at = 0;

  /// Fills the offsets and header.record_bytes from the rows and header.documents_bytes.
  void place(const SpoolShape& shape);
};

/// Sets magic, version, sums; returns header and rows per group as they go to the file.
std::vector<std::byte> encode_head(Record& record, const SpoolShape& shape);

/// nullopt: these bytes are no record of this capture.
std::optional<Record> decode_head(std::span<const std::byte> bytes, const SpoolShape& shape);

std::vector<std::byte> encode_documents(std::span<const Document> documents);

/// The bytes' checksum has to be right already.
std::vector<Document> decode_documents(std::span<const std::byte> bytes, size_t count);

/// rows-<lane>-<segment>.spool
std::filesystem::path segment_file(const std::filesystem::path& folder, int64_t lane,
                                   size_t segment);

/// The lane of such a name; nullopt: it is none.
std::optional<int64_t> lane_of(const std::filesystem::path& file);

/// XXH3-64.
uint64_t checksum(std::span<const std::byte> bytes);

/// XXH3-64 of bytes that come in pieces.
class Checksum {
 public:
  Checksum();
  void add(std::span<const std::byte> bytes);
  uint64_t value() const;
  void reset();

 private:
  struct alignas(64) Memory {
    std::byte bytes[576];
  };
  Memory state_;
};

}  // namespace qk::saver
