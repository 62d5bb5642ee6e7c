#include "saver/dataset_writer.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <optional>

#include "base/error.h"
#include "base/fault_point.h"
#include "base/files.h"
#include "saver/arrow_check.h"
#include "saver/card.h"
#include "saver/crew.h"
#include "saver/data_root.h"
#include "saver/early_pass.h"
#include "saver/examples_file.h"
#include "saver/final_pass.h"
#include "saver/lane_receiver.h"
#include "saver/lane_sender.h"
#include "saver/run_file.h"
#include "saver/space.h"
#include "saver/spool_reader.h"
#include "saver/spool_recovery.h"
#include "saver/spool_writer.h"

namespace qk::saver {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void check_layout(const CaptureLayout& layout, const WriterOptions& options) {
  QK_ASSERT(layout.head_dim > 0);
  QK_ASSERT(!layout.token_strings || options.token_string);
  for (const LayerHeads& group : layout.groups) {
    QK_ASSERT(group.kind == 'q' || group.kind == 'k');
    QK_ASSERT(std::is_sorted(group.heads.begin(), group.heads.end(), std::less_equal<>()));
  }
}

}  // namespace

/// One lane of the spool, and what its unit under way has.
struct Lane {
  Lane(const fs::path& folder, int64_t number, const SpoolShape& shape, LaneEnd end,
       int64_t segment_bytes)
      : spool(folder, number, shape, std::move(end), static_cast<uint64_t>(segment_bytes)),
        parts(shape.heads.size()) {}

  SpoolWriter spool;
  CaptureTotals parts;  ///< of the unit under way
};

struct DatasetWriter::State {
  State(WriterOptions given_options, CaptureLayout given_layout, RunFacts given_facts);

  void append(const CapturedBatch& batch, int64_t lane);
  void add(const ReceivedRecord& record);
  WriteSummary close();
  /// What a rank has written itself is added to what rank 0 had found.
  int64_t documents_done() const {
    return (first() ? 0 : meeting.documents_done) + spool.totals.documents;
  }
  int64_t tokens_done() const { return (first() ? 0 : meeting.tokens_done) + spool.totals.tokens; }
  Taken taken() const {
    return {.documents = spool.totals.documents,
            .tokens = spool.totals.tokens,
            .spool_bytes = spool.index.bytes(),
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
  RecoveredSpool spool;  ///< documents: those found when it was opened
  Meeting meeting;       ///< what all ranks know of data_root
  std::mutex mutex;      ///< guards spool.index, spool.totals, lanes' parts and what follows
  std::map<int64_t, Lane> lanes;
  SpaceForecast forecast;
  bool staging_is_stale = true;
  std::unique_ptr<EarlyPass> early;  ///< uses paths and shape
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
  std::optional<SpoolUnit> append_to(SpoolWriter& lane, const CapturedBatch& batch);
  std::unique_ptr<HeadFiles> end_early();
  void add_unit(const SpoolUnit& unit, const CaptureTotals& totals,
                const std::vector<Document>& documents);
  void publish_files(FinishedCapture& capture, Clock::time_point start);
  std::vector<FileFacts> write_final_files(FinishedCapture& capture,
                                           std::unique_ptr<HeadFiles> files);
};

DatasetWriter::State::State(WriterOptions given_options, CaptureLayout given_layout,
                            RunFacts given_facts)
    : options(std::move(given_options)),
      job(options.job != nullptr ? *options.job : *alone),
      layout(std::move(given_layout)),
      facts(std::move(given_facts)),
      identity(full_identity(facts, layout)),
      shape(layout),
      paths{options.data_root},
      spool(layout.groups.size()),
      forecast(paths.root, options.documents_total) {
  check_layout(layout, options);
  if (facts.repo_hint.empty()) facts.repo_hint = paths.root.string();
  const std::string text = unfinished_json({.identity = identity, .replaces = false});
  shape.capture_id = checksum(std::as_bytes(std::span(text)));
  if (first()) {
    finished = open_data_root(paths, lock);
    decide();
  }
  meet_others();
}

/// Rank 0 has locked and read data_root; the others write lanes of their own into it, or send them.
void DatasetWriter::State::meet_others() {
  const int64_t used = spool.index.lanes.empty() ? 0 : spool.index.lanes.rbegin()->first;
  meeting = meet({.finished = found == Found::Finished,
                  .documents = spool.documents,
                  .documents_done = spool.totals.documents,
                  .tokens_done = spool.totals.tokens,
                  .first_free_lane = used + 1},
                 paths.work(), job);
  if (!meeting.sees(job.rank())) sender.emplace(shape, *job.post());
  if (first() && !meeting.remote.empty())
    receiver.emplace(
        *job.post(), shape,
        LaneReceiver::Options{.folder = paths.work(),
                              .segment_bytes = static_cast<uint64_t>(options.segment_bytes),
                              .lanes = meeting.lanes_of_remote(),
                              .on_record = [this](const ReceivedRecord& record) { add(record); }});
  if (first()) return;
  spool.documents = meeting.documents;
  found = meeting.finished                ? Found::Finished
          : meeting.documents.count() > 0 ? Found::Unfinished
                                          : Found::Nothing;
}

void DatasetWriter::State::decide() {
  const auto unfinished = read_unfinished(paths.identity());
  const bool same = unfinished && unfinished->identity == identity;
  if (same && (!options.replace || unfinished->replaces)) return resume();
  if (options.replace) return start_anew();
  refuse_unfinished_pull(paths);
  if (unfinished && holds_documents(paths.work())) {
    throw OutputError(
        "{}: holds an unfinished capture with other settings. Restore them to go on with it, use "
        "--replace to drop it and start anew, or choose another output.data_root. Different:{}",
        paths.root.string(), differences(unfinished->identity, identity));
  }
  if (unfinished) remove_unfinished(paths);  // stopped before anything was captured
  if (!finished) return start_anew();
  if (finished->identity != identity) {
    throw OutputError(
        "{}: holds a capture with other settings. Use --replace to replace it, or choose another "
        "output.data_root. Different:{}",
        paths.root.string(), differences(finished->identity, identity));
  }
  refuse_incomplete(paths, *finished);
  found = Found::Finished;
  spool.totals.documents = finished->summary.documents;
  spool.totals.tokens = finished->summary.tokens;
  lock.reset();
}

void DatasetWriter::State::start_anew() {
  if (finished) refuse_changed_card(paths, *finished);
  remove_unfinished(paths);
  write_file_atomically(paths.identity(),
                        unfinished_json({.identity = identity, .replaces = options.replace}));
  fault::point("capture.identified");
}

void DatasetWriter::State::resume() {
  if (holds_earlier_format(paths.work())) {
    throw OutputError(
        "{}: holds an unfinished capture of an earlier version of sniff-qk, which this one can't "
        "go on with. Finish it with that version, use --replace to drop it and start anew, or "
        "choose another output.data_root.",
        paths.root.string());
  }
  spool = recover_spool(paths.work(), shape);
  found = Found::Unfinished;
}

Lane& DatasetWriter::State::open_lane(int64_t number) {
  const std::scoped_lock guard(mutex);
  if (lock) lock->check();
  if (std::exchange(staging_is_stale, false) && first()) {
    fs::remove_all(paths.staging());
    begin_early();
  }
  return lanes
      .try_emplace(number, paths.work(), number, shape, spool.index.lanes[number],
                   options.segment_bytes)
      .first->second;
}

void DatasetWriter::State::begin_early() {
  if (options.early_threads == 0 || job.size() > 1) return;
  early = std::make_unique<EarlyPass>(
      layout, shape, spool.index,
      EarlyOptions{.spool_folder = paths.work(),
                   .staging = paths.staging(),
                   .threads = options.early_threads,
                   .memory_bytes = options.memory_budget_bytes / 4,
                   .rows_per_group = rows_per_group(layout.head_dim, options.row_group_bytes),
                   .compression_level = options.compression_level,
                   .token_string = options.token_string});
}

/// What counts goes first: where it finds no room, the files that were begun make some.
std::optional<SpoolUnit> DatasetWriter::State::append_to(SpoolWriter& lane,
                                                         const CapturedBatch& batch) {
  const uint64_t before = lane.end().next_sequence;
  try {
    return lane.append(batch);
  } catch (const OutputError&) {
    const std::scoped_lock lock(mutex);
    if (lane.end().next_sequence != before || !early || !early->drop()) throw;
  }
  return lane.append(batch);
}

void DatasetWriter::State::append(const CapturedBatch& batch, int64_t number) {
  QK_ASSERT(found != Found::Finished && are_consecutive(batch.documents));
  QK_ASSERT(job.size() == 1 || number == 0);
  if (sender) return sender->append(batch);
  if (receiver) receiver->check();
  number += meeting.lane_of(job.rank());
  Lane& lane = open_lane(number);
  const std::optional<SpoolUnit> unit = append_to(lane.spool, batch);
  const std::scoped_lock lock(mutex);
  spool.index.lanes[number] = lane.spool.end();
  lane.parts.add(batch, layout);
  if (!unit) return;
  if (early) early->add(*unit, lane.spool.end());
  add_unit(*unit, std::exchange(lane.parts, CaptureTotals(layout.groups.size())), batch.documents);
}

void DatasetWriter::State::add(const ReceivedRecord& record) {
  const std::scoped_lock guard(mutex);
  lock->check();
  spool.index.lanes[record.lane] = record.end;
  if (record.unit) add_unit(*record.unit, record.facts.totals, record.facts.documents);
}

void DatasetWriter::State::add_unit(const SpoolUnit& unit, const CaptureTotals& totals,
                                    const std::vector<Document>& documents) {
  int64_t told_rows = 0;
  for (const Document& document : documents) told_rows += document.rows;
  const int64_t rows = totals.rows_of_all_heads(layout);
  if (told_rows != rows) {
    throw InternalError("documents say that they have {} rows, their blocks have {}", told_rows,
                        rows);
  }
  spool.index.units.push_back(unit);
  spool.totals.add(totals);
  forecast.check(taken());
}

/// Other ranks read what this one has written: nothing of it may still be on its way.
void DatasetWriter::State::close_lanes() {
  for (const auto& [number, lane] : lanes) QK_ASSERT(lane.parts.rows_of_all_heads(layout) == 0);
  if (job.size() == 1) return;
  lanes.clear();
  if (sender) sender->finish();
  if (receiver) receiver->finish();
  Written all =
      gather_written({.spool = std::move(spool.index), .totals = std::move(spool.totals)}, job);
  spool.index = std::move(all.spool);
  spool.totals = std::move(all.totals);
}

WriteSummary DatasetWriter::State::close() {
  if (found == Found::Finished) return finished ? finished->summary : WriteSummary{};
  const Clock::time_point start = Clock::now();
  close_lanes();
  std::unique_ptr<HeadFiles> begun = end_early();
  const CaptureTotals& totals = spool.totals;
  if (first()) {
    lock->check();
    check_final_space(paths.root, most_final_bytes(layout, totals), begun ? begun->bytes() : 0);
  }

  FinishedCapture capture{.identity = identity,
                          .layout = layout,
                          .summary = {},
                          .files = {},
                          .config_yaml = facts.config_yaml,
                          .rows_per_bucket = {totals.buckets.begin(), totals.buckets.end()}};
  const int64_t rows_early = begun ? begun->rows() : 0;
  capture.files = write_final_files(capture, std::move(begun));
  capture.summary.rows_early = rows_early;
  if (first()) publish_files(capture, start);
  job.barrier();
  return capture.summary;
}

void DatasetWriter::State::publish_files(FinishedCapture& capture, Clock::time_point start) {
  capture.summary.seconds_finalizing = seconds_since(start);
  const Timings timings{.capture_seconds = std::chrono::duration<double>(start - opened).count(),
                        .final_pass_seconds = capture.summary.seconds_finalizing};
  write_hashed(paths.staging(), "run.json", finished_json(capture, facts, timings));

  for (auto& [number, lane] : lanes) lane.spool.forget_unsynced();
  publish(paths, capture.files, finished ? &*finished : nullptr);
  lanes.clear();
  lock.reset();
}

std::unique_ptr<HeadFiles> DatasetWriter::State::end_early() {
  return early ? std::exchange(early, nullptr)->finish() : nullptr;
}

std::vector<FileFacts> DatasetWriter::State::write_final_files(FinishedCapture& capture,
                                                               std::unique_ptr<HeadFiles> begun) {
  if (first()) {
    if (!begun) {
      fs::remove_all(paths.staging());
      fs::create_directory(paths.staging());
    }
    fault::point("final.begun");
  }
  job.barrier();
  if (!begun)
    begun = std::make_unique<HeadFiles>(layout, options.compression_level, paths.staging());
  spool.index.sort();
  const CaptureTotals& totals = spool.totals;
  const int builders = meeting.seeing_before(job.size());
  const PassLimits limits = limits_of_job(
      pass_limits(options.threads, options.memory_budget_bytes,
                  rows_per_group(layout.head_dim, options.row_group_bytes), spool.index.records()),
      builders, job);
  std::vector<FileFacts> files;
  if (!sender)
    files = write_row_files(layout, shape, totals,
                            {.spool_folder = paths.work(),
                             .spool = spool.index,
                             .files = *begun,
                             .limits = limits,
                             .rank = static_cast<size_t>(meeting.seeing_before(job.rank())),
                             .ranks = static_cast<size_t>(builders),
                             .token_string = options.token_string,
                             .on_progress = options.on_final_pass,
                             .stop = options.stop});
  files = gather_files(std::move(files), layout, job);
  if (!first()) return {};
  capture.summary = summary_of(layout, totals, files);
  const std::string card = render_card(card_input(facts, layout, totals, files));
  files.push_back(write_examples(SpoolCursor(paths.work(), spool.index, shape), paths.staging()));
  files.push_back(write_hashed(paths.staging(), "README.md", card));
  return files;
}

DatasetWriter::DatasetWriter(WriterOptions options, CaptureLayout layout, RunFacts facts)
    : state_(with_files([&] {
        return std::make_unique<State>(std::move(options), std::move(layout), std::move(facts));
      })) {}

DatasetWriter::~DatasetWriter() = default;

void DatasetWriter::capture_begins(std::optional<int64_t> tokens_left) {
  state_->opened = Clock::now();
  const std::scoped_lock lock(state_->mutex);
  state_->forecast.begin(state_->taken(), tokens_left);
}

Found DatasetWriter::found() const { return state_->found; }
const IndexSet& DatasetWriter::documents_found() const { return state_->spool.documents; }

int64_t DatasetWriter::documents_done() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->documents_done();
}

int64_t DatasetWriter::tokens_done() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->tokens_done();
}

void DatasetWriter::append(const CapturedBatch& batch, int64_t lane) {
  with_files([&] { state_->append(batch, lane); });
}

int64_t DatasetWriter::rows_appended() const {
  const std::scoped_lock lock(state_->mutex);
  int64_t rows = state_->spool.totals.rows_of_all_heads(state_->layout);
  for (const auto& [number, lane] : state_->lanes)
    rows += lane.parts.rows_of_all_heads(state_->layout);
  return rows;
}

WriteSummary DatasetWriter::close() {
  return with_files([&] { return state_->close(); });
}

}  // namespace qk::saver
