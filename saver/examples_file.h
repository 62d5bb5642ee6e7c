#pragma once
/// examples.parquet: one row per document of the dataset that the run has read, skipped ones
/// included.
#include <arrow/type_fwd.h>

#include <filesystem>
#include <memory>

#include "saver/hashed_file.h"
#include "saver/spool_reader.h"

namespace qk::saver {

/// The columns as Arrow has them.
std::shared_ptr<arrow::Schema> examples_schema();

/// Columns index, example_id (as in the rows), full_id, source_id, tokens, truncated, rows (over
/// all heads). The result's name is examples.parquet.
FileFacts write_examples(SpoolCursor cursor, const std::filesystem::path& folder);

}  // namespace qk::saver
