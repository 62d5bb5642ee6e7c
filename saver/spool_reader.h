#pragma once
/// Walks over all records of the spool, for the final files.
#include <cstdint>
#include <filesystem>
#include <map>
#include <utility>
#include <vector>

#include "saver/file_io.h"
#include "saver/rows.h"
#include "saver/spool_format.h"
#include "saver/spool_index.h"

namespace qk::saver {

/// Walks over the records of a checked spool, unit by unit as they stand in its index.
class SpoolCursor {
 public:
  static constexpr size_t kOpenFiles = 16;  ///< at most, of one cursor

  /// index: must outlive this; sorted where units before `first_document` are to be passed over.
  SpoolCursor(std::filesystem::path folder, const SpoolIndex& index, const SpoolShape& shape,
              int64_t first_document = 0);

  /// Goes to the next record; false at the end. Throws OutputError when the spool has changed since
  /// it was checked.
  bool next();

  const Record& record() const { return record_; }
  const SpoolUnit& unit() const { return index_.units[next_unit_ - 1]; }  ///< of that record

  /// Bytes of the current record, from `at` on.
  void read(std::vector<iovec> parts, uint64_t at) const;

  std::vector<Document> read_documents() const;

  /// The error of a checksum that doesn't fit.
  OutputError damaged() const;

 private:
  std::filesystem::path file() const { return segment_file(folder_, lane_, segment_); }
  void begin_unit(const SpoolUnit& unit);
  void open();

  std::filesystem::path folder_;
  const SpoolIndex& index_;
  const SpoolShape& shape_;
  std::map<std::pair<int64_t, uint64_t>, Fd> files_;  ///< by lane and segment
  const Fd* fd_ = nullptr;                            ///< of the current record
  size_t next_unit_ = 0;
  uint64_t records_left_ = 0;  ///< of the current unit, behind the current record
  int64_t lane_ = 0;
  uint64_t segment_ = 0;
  uint64_t at_ = 0;    ///< the current record
  uint64_t next_ = 0;  ///< the one after it
  Record record_;
};

}  // namespace qk::saver
