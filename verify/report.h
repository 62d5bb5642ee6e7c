#pragma once
/// What `sniff-qk verify` found.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace qk::verify {

struct Finding {
  std::string check;  ///< files, size, sha256, parquet, rows, vectors, counts, examples, recompute
  std::string file;   ///< relative to data_root
  std::string what;
};

/// The model run again over some documents.
struct Recomputed {
  int64_t documents = 0, rows = 0;
  int64_t different_rows = 0;
  double worst_difference = 0;  ///< largest |captured - computed| of a component; infinite for NaN
};

struct Report {
  std::string data_root;
  int64_t documents = 0, files = 0, rows = 0, bytes = 0;  ///< as run.json has them
  std::vector<Finding> problems;
  std::vector<Finding> notes;  ///< odd, but nothing says that they are wrong
  std::optional<Recomputed> recomputed;
};

/// For people, several lines.
std::string to_text(const Report& report);

/// One JSON object.
std::string to_json(const Report& report);

}  // namespace qk::verify
