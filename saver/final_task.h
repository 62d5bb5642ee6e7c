#pragma once
/// A share of the final pass: one walk over the spool that gathers the rows of some heads and
/// writes their files, or goes on with those that an earlier walk has begun.
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

namespace qk::saver {

/// Consecutive heads of one group, by their index in LayerHeads::heads.
struct HeadRange {
  size_t group = 0;
  size_t first = 0;
  size_t count = 0;
};

/// A head's file on its way.
struct HeadFile {
  std::unique_ptr<RowFile> file;  ///< opened with the first row group
  int64_t rows = 0;               ///< written; whole row groups, until the last walk
  SpoolPlace next;                ///< in the spool, of the first row that is not
};

/// The files of all heads until they are complete; those that don't become so are removed.
struct HeadFiles {
  HeadFiles(const CaptureLayout& layout, int compression_level, std::filesystem::path folder);

  int64_t rows() const;  ///< written, over all heads
  uint64_t bytes() const;

  RowFormat format;
  std::filesystem::path staging;
  std::vector<std::vector<HeadFile>> of_group;  ///< [group][head]
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

/// What all shares of a pass have in common.
struct FinalPassContext {
  const CaptureLayout& layout;
  const SpoolShape& shape;
  std::filesystem::path spool_folder;
  const SpoolIndex& spool;           ///< sorted
  const std::vector<int64_t>& rows;  ///< per group: those that each head's file is to have then
  HeadFiles& files;                  ///< each head's is touched by one share at a time
  int64_t rows_per_group;
  TokenStrings& token_strings;
  std::function<void()> poll;  ///< throws when the pass has to stop
};

/// Writes the heads' rows that are not in their files yet, up to context.rows.
void write_rows(const FinalPassContext& context, const std::vector<HeadRange>& ranges);

/// The same with the last rows there are, and completes <staging>/lXXhYY{q,k}/data.parquet.
std::vector<FileFacts> write_heads(const FinalPassContext& context,
                                   const std::vector<HeadRange>& ranges);

}  // namespace qk::saver
