#pragma once
/// Tables for the terminal.
#include <cstdint>
#include <string>
#include <vector>

namespace qk::report {

/// The first column is aligned to the left, the others to the right.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> header) : rows_{std::move(header)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.size() == 1; }

  /// Each line is indented by two spaces.
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

/// 12,345,678
std::string grouped(int64_t value);

/// 512 B, 1.5 MB, 3.2 GB (decimal)
std::string readable_bytes(double bytes);

}  // namespace qk::report
