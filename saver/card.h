#pragma once
/// The dataset card, README.md of a capture: what the run was, how to load it, and a YAML front
/// matter that makes load_dataset(<repo or folder>, "l00h00q") work.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "saver/dataset_writer.h"
#include "saver/file_facts.h"
#include "saver/totals.h"

namespace qk::saver {

struct CardInput {
  /// Label and value, in the order to print. Any text is safe.
  std::vector<std::pair<std::string, std::string>> facts;

  struct Config {
    std::string name;  ///< "l00h00q": the folder of its data.parquet; letters and digits only
    int64_t rows = 0;
  };
  std::vector<Config> configs;  ///< in the order to list; the first becomes the default

  std::map<int64_t, int64_t> bucket_counts;  ///< bucket -> rows over all configs
  bool token_strings = false;
  int64_t head_dim = 0;
  std::string repo_hint;              ///< what to give to load_dataset: repo id or data_root
  std::optional<std::string> branch;  ///< of the repo
};

/// Of a capture: row_files in the order to list.
CardInput card_input(const RunFacts& facts, const CaptureLayout& layout,
                     const CaptureTotals& totals, const std::vector<FileFacts>& row_files);

/// Markdown, UTF-8 (bytes of the input that aren't become U+FFFD).
std::string render_card(const CardInput& input);

}  // namespace qk::saver
