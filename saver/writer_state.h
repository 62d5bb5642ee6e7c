#pragma once
/// What a DatasetWriter knows. It is opened and appended to in dataset_writer.cpp, and closed in
/// close_writer.cpp.
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "saver/crew.h"
#include "saver/data_root.h"
#include "saver/dataset_writer.h"
#include "saver/early_pass.h"
#include "saver/final_task.h"
#include "saver/lane_receiver.h"
#include "saver/lane_sender.h"
#include "saver/run_file.h"
#include "saver/space.h"
#include "saver/spool_recovery.h"
#include "saver/spool_writer.h"

namespace qk::saver {

/// One lane of the spool, and what its unit under way has.
struct Lane {
  Lane(const std::filesystem::path& folder, int64_t number, const SpoolShape& shape, LaneEnd end,
       int64_t segment_bytes)
      : spool(folder, number, shape, std::move(end), static_cast<uint64_t>(segment_bytes)),
        parts(shape.heads.size()) {}

  SpoolWriter spool;
  CaptureTotals parts;  ///< of the unit under way
};

struct DatasetWriter::State {
  using Clock = std::chrono::steady_clock;

  State(WriterOptions given_options, CaptureLayout given_layout, RunFacts given_facts);

  void append(const CapturedBatch& batch, int64_t lane);
  void add(const ReceivedRecord& record);
  WriteSummary close();
  int64_t lanes_here() const { return sender ? 1 : meeting.lanes_per_rank; }
  /// What a rank has written itself is added to what rank 0 had found.
  int64_t documents_done() const {
    return (first() ? 0 : meeting.documents_done) + spool.totals.documents;
  }
  int64_t tokens_done() const { return (first() ? 0 : meeting.tokens_done) + spool.totals.tokens; }
  Taken taken() const {
    return {.documents = spool.totals.documents,
            .tokens = spool.totals.tokens,
            .spool_bytes = unit_bytes,
            .final_bytes = most_final_bytes(layout, spool.totals),
            .begun_bytes = early ? early->bytes() : 0};
  }
  bool first() const { return job.rank() == 0; }

  WriterOptions options;
  const std::unique_ptr<parallel::Job> alone = parallel::job_alone();
  parallel::Job& job;
  CaptureLayout layout;
  RunFacts facts;
  Identity identity;
  SpoolShape shape;
  DataRootPaths paths;
  std::optional<DataRootLock> lock;
  std::optional<FinishedCapture>
      finished;  ///< in data_root: this capture, or the one to be replaced
  Found found = Found::Nothing;
  RecoveredSpool spool;     ///< documents: those found when it was opened
  Meeting meeting;          ///< what all ranks know of data_root
  std::mutex mutex;         ///< guards spool.index, spool.totals, lanes' parts and what follows
  uint64_t unit_bytes = 0;  ///< of all units in the spool, as spool.totals
  std::map<int64_t, Lane> lanes;
  SpaceForecast forecast;
  bool staging_is_stale = true;
  std::unique_ptr<EarlyPass> early;  ///< uses paths and shape
  bool early_dropped = false;        ///< its files made room for the spool
  Clock::time_point opened = Clock::now();
  std::optional<LaneSender> sender;      ///< where this rank does not see rank 0's folder
  std::optional<LaneReceiver> receiver;  ///< on rank 0, where others don't; ends before the rest

 private:
  void meet_others();
  void close_lanes();
  void decide();
  void start_anew();
  void resume();
  Lane& open_lane(int64_t number);
  void begin_early();
  bool has_begun_files();
  std::optional<SpoolUnit> append_to(SpoolWriter& lane, const CapturedBatch& batch);
  std::unique_ptr<HeadFiles> end_early();
  void add_unit(const SpoolUnit& unit, const CaptureTotals& totals,
                const std::vector<Document>& documents);
  void publish_files(FinishedCapture& capture, Clock::time_point start);
  std::vector<FileFacts> write_final_files(FinishedCapture& capture,
                                           std::unique_ptr<HeadFiles> files);
};

}  // namespace qk::saver
