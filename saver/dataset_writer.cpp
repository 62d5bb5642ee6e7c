#include "saver/dataset_writer.h"

#include <algorithm>
#include <functional>
#include <mutex>
#include <optional>

#include "base/error.h"
#include "base/fault_point.h"
#include "base/files.h"
#include "saver/writer_state.h"

namespace qk::saver {
namespace fs = std::filesystem;
namespace {

void check_layout(const CaptureLayout& layout, const WriterOptions& options) {
  QK_ASSERT(layout.head_dim > 0);
  QK_ASSERT(!layout.token_strings || options.token_string);
  for (const LayerHeads& group : layout.groups) {
    QK_ASSERT(group.kind == 'q' || group.kind == 'k');
    QK_ASSERT(std::is_sorted(group.heads.begin(), group.heads.end(), std::less_equal<>()));
  }
}

}  // namespace

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
  const int64_t used = spool.index.lanes.empty() ? 0 : spool.index.lanes.rbegin()->first + 1;
  meeting = meet({.finished = found == Found::Finished,
                  .documents = spool.documents,
                  .documents_done = spool.totals.documents,
                  .tokens_done = spool.totals.tokens,
                  .lanes_per_rank = options.lanes,
                  .first_free_lane = std::max<int64_t>(used, options.lanes)},
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
  unit_bytes = spool.index.bytes();
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

bool DatasetWriter::State::has_begun_files() {
  const std::scoped_lock lock(mutex);
  return early && !early_dropped;
}

/// What counts goes first: where it finds no room, the files that were begun make some, for all
/// lanes that were appended to meanwhile.
std::optional<SpoolUnit> DatasetWriter::State::append_to(SpoolWriter& lane,
                                                         const CapturedBatch& batch) {
  const uint64_t before = lane.end().next_sequence;
  const bool begun = has_begun_files();
  try {
    return lane.append(batch);
  } catch (const OutputError&) {
    const std::scoped_lock lock(mutex);
    if (lane.end().next_sequence != before || !begun) throw;
    early_dropped = early->drop() || early_dropped;
    if (!early_dropped) throw;
  }
  return lane.append(batch);
}

void DatasetWriter::State::append(const CapturedBatch& batch, int64_t number) {
  QK_ASSERT(found != Found::Finished && are_consecutive(batch.documents));
  QK_ASSERT(number < lanes_here());
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
  unit_bytes += unit.bytes;
  spool.totals.add(totals);
  forecast.check(taken());
}

DatasetWriter::DatasetWriter(WriterOptions options, CaptureLayout layout, RunFacts facts)
    : state_(with_files([&] {
        return std::make_unique<State>(std::move(options), std::move(layout), std::move(facts));
      })) {}

DatasetWriter::~DatasetWriter() = default;

void DatasetWriter::capture_begins(std::optional<int64_t> tokens_left) {
  state_->opened = State::Clock::now();
  const std::scoped_lock lock(state_->mutex);
  state_->forecast.begin(state_->taken(), tokens_left);
}

Found DatasetWriter::found() const { return state_->found; }
int64_t DatasetWriter::lanes() const { return state_->lanes_here(); }
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
