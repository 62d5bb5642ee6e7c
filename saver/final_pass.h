#pragma once
/// The final pass: from the spool to one Parquet file per head, in parallel, in bounded memory. All
/// shares together read the spool once.
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "saver/final_task.h"
#include "saver/totals.h"

namespace qk::saver {

struct PassPlan {
  int threads = 1;  ///< of all processes together
  std::vector<std::vector<HeadRange>> tasks;
};

struct PassLimits {
  int threads = 1;
  int64_t memory_bytes = 0;
  int64_t rows_per_group = 1;
  int64_t open_files = 0;  ///< over all threads
  int64_t records = 1;     ///< in the spool
};

/// What this process may take. threads: 0 stands for all cores; records: in the spool.
PassLimits pass_limits(int threads, int64_t memory_bytes, int64_t rows_per_group, uint64_t records);

/// What a thread takes that writes one head's rows at a time.
int64_t least_thread_bytes(const CaptureLayout& layout, int64_t rows_per_group);

/// Splits all heads that have rows into shares. Pure: all ranks make the same plan.
PassPlan plan_pass(const CaptureLayout& layout, const CaptureTotals& totals,
                   const PassLimits& limits);

struct PassOptions {
  std::filesystem::path spool_folder;
  const SpoolIndex& spool;  ///< sorted
  HeadFiles& files;         ///< some may be begun
  PassLimits limits;
  size_t rank = 0, ranks = 1;  ///< of the shares, every ranks-th is this process's
  std::function<std::string(int32_t)> token_string;
  std::function<void(int64_t done, int64_t total)> on_progress;  ///< in files
  const std::atomic<bool>* stop = nullptr;
};

/// Facts of the files of this process's shares, in layout order. Throws OutputError, Interrupted.
std::vector<FileFacts> write_row_files(const CaptureLayout& layout, const SpoolShape& shape,
                                       const CaptureTotals& totals, const PassOptions& options);

}  // namespace qk::saver
