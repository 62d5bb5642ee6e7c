#pragma once
/// A finished capture as its readers see it: what run.json says and which files there are.
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "saver/run_file.h"

namespace qk::report {

/// One head's file.
struct HeadFile {
  std::string name;  ///< l00h02q
  int32_t layer = 0;
  int32_t head = 0;
  char kind = 'q';
  std::optional<int32_t> sliding_window;
  int64_t rows = 0;    ///< as run.json has it
  uint64_t bytes = 0;  ///< as run.json has it
  std::filesystem::path file;
};

struct Capture {
  std::filesystem::path root;
  nlohmann::ordered_json run;  ///< run.json
  saver::FinishedCapture finished;
  std::vector<HeadFile> heads;            ///< layer ascending, q before k
  std::vector<std::string> without_rows;  ///< captured heads that no row was drawn for

  /// An entry of run.json's "facts", empty when it isn't there.
  std::string fact(const std::string& label) const;

  /// Throws OutputError listing some names when there is no such head.
  const HeadFile& head(const std::string& name) const;

  /// Query heads per key head, as far as the capture tells: nullopt when it holds a selection of
  /// heads by number.
  std::optional<int32_t> queries_per_key() const;
};

std::string head_name(int32_t layer, int32_t head, char kind);

/// Throws OutputError: no such folder, no capture in it, or one that isn't finished.
Capture open_capture(const std::filesystem::path& data_root);

}  // namespace qk::report
