#pragma once
/// On rank 0: the lanes of ranks that do not see its folder (lane_sender.h).
#include <atomic>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <thread>
#include <vector>

#include "parallel/job.h"
#include "saver/lane_files.h"
#include "saver/record_check.h"
#include "saver/spool_format.h"
#include "saver/spool_index.h"

namespace qk::saver {

/// A record that is whole in its lane.
struct ReceivedRecord {
  int64_t lane = 0;
  const LaneEnd& end;             ///< of the lane, behind it
  std::optional<SpoolUnit> unit;  ///< that it completes; nullopt: it is a part
  const RecordFacts& facts;       ///< of the unit, as far as it has come
};

/// Takes one record after another, whichever rank is first, on a thread of its own; checks it and
/// appends it to the rank's lane, piece by piece as it arrives. What is torn or damaged then lies
/// behind the lane's end, as after a crash.
class LaneReceiver {
 public:
  struct Options {
    std::filesystem::path folder;
    uint64_t segment_bytes = 0;
    std::map<int, int64_t> lanes;  ///< by the rank that sends it; empty so far
    /// Called on the receiver's thread; what it throws ends the receiving.
    std::function<void(const ReceivedRecord&)> on_record;
  };

  /// post, shape: must outlive this.
  LaneReceiver(parallel::Post& post, const SpoolShape& shape, Options options);
  ~LaneReceiver();  ///< takes no more

  /// Rethrows what has ended the receiving.
  void check() const;

  /// Waits until all ranks have said that nothing follows; then as check().
  void finish();

 private:
  struct Lane {
    Lane(const Options& options, int64_t lane, const SpoolShape& shape)
        : number(lane),
          files(options.folder, lane, {}, options.segment_bytes),
          facts(shape.heads.size()) {}

    int64_t number;
    LaneFiles files;
    RecordFacts facts;  // of the unit under way
  };

  void run();
  void take_parcels();
  void take_record(parallel::Parcel first);

  parallel::Post& post_;
  const SpoolShape& shape_;
  const std::function<void(const ReceivedRecord&)> on_record_;
  std::map<int, Lane> lanes_;  // of the ranks that have not finished
  std::atomic<bool> stop_ = false, failed_ = false;
  std::exception_ptr error_;  // set before failed_
  std::thread thread_;
};

}  // namespace qk::saver
