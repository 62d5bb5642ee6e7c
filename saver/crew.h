#pragma once
/// Several ranks write one capture: what they tell one another about it.
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/index_set.h"
#include "parallel/job.h"
#include "saver/file_facts.h"
#include "saver/final_pass.h"
#include "saver/spool_index.h"
#include "saver/totals.h"

namespace qk::saver {

/// What rank 0 has found in data_root, and who else sees it.
struct Meeting {
  bool finished = false;  ///< the capture is complete
  IndexSet documents;     ///< done
  int64_t documents_done = 0, tokens_done = 0;
  int64_t lanes_per_rank = 1;   ///< of ranks that see it; the others have one each
  int64_t first_free_lane = 0;  ///< behind those that are there, and rank 0's
  std::set<int> remote = {};    ///< ranks that do not see rank 0's folder: they send it their rows

  bool sees(int rank) const { return !remote.contains(rank); }
  /// How many of the ranks below `rank` see it.
  int seeing_before(int rank) const;
  /// The first lane of a rank: rank 0 goes on with lanes that are there.
  int64_t lane_of(int rank) const {
    return rank == 0 ? 0 : first_free_lane + (rank - 1) * lanes_per_rank;
  }
  /// Of the remote ranks.
  std::map<int, int64_t> lanes_of_remote() const;
};

/// Rank 0's meeting, on all ranks, with what they find out: whether they see its folder
/// (data_root's work folder), in which it leaves nothing. Rank 0 tells the user of those that
/// don't; throws OutputError if the job has no post. All ranks call it.
Meeting meet(const Meeting& mine, const std::filesystem::path& folder, parallel::Job& job);

/// What a rank has written, or all of them together.
struct Written {
  SpoolIndex spool;
  CaptureTotals totals;
};

/// Everything that the ranks have written, on all of them; units sorted. All ranks call it.
Written gather_written(Written mine, parallel::Job& job);

/// What all the ranks that build files may take together: rank 0's threads and open files stand for
/// theirs, since their plans of the final pass must be the same. All ranks call it.
PassLimits limits_of_job(PassLimits limits, int builders, parallel::Job& job);

/// On rank 0 the files of all ranks, in layout order; elsewhere nothing. All ranks call it.
std::vector<FileFacts> gather_files(std::vector<FileFacts> mine, const CaptureLayout& layout,
                                    parallel::Job& job);

}  // namespace qk::saver
