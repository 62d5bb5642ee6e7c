#pragma once
/// Several ranks write one capture: what they tell one another about it.
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/index_set.h"
#include "parallel/job.h"
#include "saver/file_facts.h"
#include "saver/final_pass.h"
#include "saver/spool_index.h"
#include "saver/totals.h"

namespace qk::saver {

/// What rank 0 has found in data_root.
struct Meeting {
  bool finished = false;  ///< the capture is complete
  IndexSet documents;     ///< done
  int64_t documents_done = 0, tokens_done = 0;
  int64_t first_free_lane = 0;
};

/// Rank 0's meeting, on all ranks. Rank 0 throws OutputError where another rank does not see its
/// folder (data_root's work folder), in which it leaves nothing. All ranks call it.
Meeting meet(const Meeting& mine, const std::filesystem::path& folder, parallel::Job& job);

/// What a rank has written, or all of them together.
struct Written {
  SpoolIndex spool;
  CaptureTotals totals;
};

/// Everything that the ranks have written, on all of them; units sorted. All ranks call it.
Written gather_written(Written mine, parallel::Job& job);

/// Rank 0's threads and open files stand for those of all ranks, whose plans of the final pass must
/// be the same. All ranks call it.
PassLimits limits_of_job(PassLimits limits, parallel::Job& job);

/// On rank 0 the files of all ranks, in layout order; elsewhere nothing. All ranks call it.
std::vector<FileFacts> gather_files(std::vector<FileFacts> mine, const CaptureLayout& layout,
                                    parallel::Job& job);

}  // namespace qk::saver
