#pragma once
/// A small capture whose rows follow the sampler, and ways to damage it behind its checksums.
#include <arrow/table.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

namespace qk::verify::testing {

/// Writes it to `root`: layer 0, queries of heads 0 and 1, keys of head 0; five documents.
void write_capture(const std::filesystem::path& root);

using Edit = std::function<std::shared_ptr<arrow::Table>(const std::shared_ptr<arrow::Table>&)>;

/// Rewrites a Parquet file with edited rows and gives run.json its new size and SHA-256, so that
/// only a look at the rows finds it.
void edit_table(const std::filesystem::path& root, const std::string& name, const Edit& edit);

/// The table with one int32 value of a column replaced.
std::shared_ptr<arrow::Table> with_value(const std::shared_ptr<arrow::Table>& table,
                                         const std::string& column, int64_t row, int32_t value);

/// The table with one vector's components all replaced.
std::shared_ptr<arrow::Table> with_vector(const std::shared_ptr<arrow::Table>& table, int64_t row,
                                          float value);

/// Flips one bit of a file.
void flip_bit(const std::filesystem::path& file, size_t at);

}  // namespace qk::verify::testing
