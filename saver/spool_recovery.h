#pragma once
/// What a run finds in the spool of an earlier one.
#include <filesystem>
#include <span>

#include "base/index_set.h"
#include "saver/file_io.h"
#include "saver/rows.h"
#include "saver/spool_format.h"
#include "saver/spool_index.h"
#include "saver/totals.h"

namespace qk::saver {

struct RecoveredSpool {
  explicit RecoveredSpool(size_t groups) : totals(groups) {}

  SpoolIndex index;
  IndexSet documents;  ///< that are done, by their index in the dataset
  CaptureTotals totals;
};

/// Checks every byte of the spool, keeps of each lane the whole units up to the first that is torn
/// by a crash, damaged, or has documents that an earlier lane has too, and cuts off the rest:
/// warns. An empty folder is an empty spool.
RecoveredSpool recover_spool(const std::filesystem::path& folder, const SpoolShape& shape);

/// Does any capture's spool in the folder have a document? Looks at the records' headers only; one
/// of an earlier version counts as it is.
bool holds_documents(const std::filesystem::path& folder);

/// Is there a spool that an earlier version has written? It can't be read any more.
bool holds_earlier_format(const std::filesystem::path& folder);

/// Do their indices follow one another without a gap?
bool are_consecutive(std::span<const Document> documents);

}  // namespace qk::saver
