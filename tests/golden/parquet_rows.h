#pragma once
/// Captured rows read back from Parquet, for comparison.
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace qk::test {

struct Rows {
  std::vector<int32_t> bucket, example_id, position;
  std::vector<std::optional<int32_t>> sliding_window;
  std::vector<std::string> token_str;  ///< empty when the file has no such column
  std::vector<float> vectors;          ///< [rows][head_dim]
  size_t head_dim() const { return position.empty() ? 0 : vectors.size() / position.size(); }
};

/// The rows of one file, by its column `config` where it has one, else under "".
std::map<std::string, Rows> read_rows(const std::filesystem::path& file);

/// The captured files of data_root by config name (l00h00q).
std::map<std::string, Rows> read_capture(const std::filesystem::path& data_root);

}  // namespace qk::test
