// What the ranks have written becomes the capture in data_root.
#include <chrono>
#include <utility>

#include "base/fault_point.h"
#include "saver/card.h"
#include "saver/examples_file.h"
#include "saver/spool_reader.h"
#include "saver/writer_state.h"

namespace qk::saver {
namespace fs = std::filesystem;

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
  capture.summary.seconds_finalizing = std::chrono::duration<double>(Clock::now() - start).count();
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

}  // namespace qk::saver
