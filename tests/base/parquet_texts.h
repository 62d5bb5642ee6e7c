#pragma once
/// Datasets with one column, "text".
#include <arrow/type_fwd.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace qk::tests {

std::shared_ptr<arrow::Table> table_of(const std::vector<std::string>& texts);

/// Row groups of so many rows.
void write_parquet(const std::filesystem::path& file, const std::vector<std::string>& texts,
                   int64_t group_rows);

}  // namespace qk::tests
