#pragma once
/// A share of the final pass: one walk over the spool that gathers the rows of some heads and
/// writes their files.
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "saver/row_file.h"
#include "saver/rows.h"
#include "saver/spool_format.h"
#include "saver/spool_reader.h"
#include "saver/totals.h"

namespace qk::saver {

/// Consecutive heads of one group, by their index in LayerHeads::heads.
struct HeadRange {
  size_t group = 0;
  size_t first = 0;
  size_t count = 0;
};

/// "l00h00q"
std::string config_name(const LayerHeads& group, size_t head);

/// Pieces of token ids, asked for once each. For all threads.
class TokenStrings {
 public:
  explicit TokenStrings(std::function<std::string(int32_t)> token_string);
  std::vector<parquet::ByteArray> of(
      std::span<const int32_t> ids);  ///< valid as long as this object

 private:
  std::function<std::string(int32_t)> token_string_;
  std::mutex mutex_;
  std::map<int32_t, std::string> known_;
};

/// What all shares of a final pass have in common.
struct FinalPassContext {
  const CaptureLayout& layout;
  const SpoolShape& shape;
  std::filesystem::path spool_folder;
  const SpoolIndex& spool;  ///< sorted
  const CaptureTotals& totals;
  std::filesystem::path staging;
  const RowFormat& format;
  int64_t rows_per_group;
  TokenStrings& token_strings;
  std::function<void()> poll;  ///< throws when the pass has to stop
};

/// Writes <staging>/lXXhYY{q,k}/data.parquet for each head of the ranges.
std::vector<FileFacts> write_heads(const FinalPassContext& context,
                                   const std::vector<HeadRange>& ranges);

}  // namespace qk::saver
