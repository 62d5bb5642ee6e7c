#pragma once
/// Reads the spool: recovery when a capture is resumed, and walks over all records for the final
/// files.
#include <cstdint>
#include <filesystem>
#include <vector>

#include "saver/file_io.h"
#include "saver/rows.h"
#include "saver/spool_format.h"
#include "saver/spool_writer.h"
#include "saver/totals.h"

namespace qk::saver {

struct RecoveredSpool {
  SpoolEnd end;
  CaptureTotals totals;
};

/// Checks every byte of the spool, keeps the whole records up to the last one that completes
/// documents, and cuts off what follows (torn by a crash, or damaged: warns). An empty folder is an
/// empty spool.
RecoveredSpool recover_spool(const std::filesystem::path& folder, const SpoolShape& shape);

/// Does any capture's spool in the folder have a document? Looks at the records' headers only.
bool holds_documents(const std::filesystem::path& folder);

/// Walks over the records of a checked spool.
class SpoolCursor {
 public:
  SpoolCursor(std::filesystem::path folder, std::vector<uint64_t> segments,
              const SpoolShape& shape);

  /// Goes to the next record; false at the end. Throws OutputError when the spool has changed since
  /// it was checked.
  bool next();

  const Record& record() const { return record_; }

  /// Bytes of the current record, from `at` on.
  void read(std::vector<iovec> parts, uint64_t at) const;

  std::vector<Document> read_documents() const;

  /// The error of a checksum that doesn't fit.
  OutputError damaged() const;

 private:
  std::filesystem::path file() const { return segment_file(folder_, segment_); }

  std::filesystem::path folder_;
  std::vector<uint64_t> segments_;
  const SpoolShape& shape_;
  Fd fd_;
  size_t segment_ = 0;
  uint64_t at_ = 0;    ///< the current record
  uint64_t next_ = 0;  ///< the one after it
  Record record_;
};

}  // namespace qk::saver
