#include "sniffer/pipeline.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/stopwatch.h"
#include "models/decoder.h"
#include "sniffer/core.h"
#include "sniffer/pipeline_batch.h"
#include "sniffer/pipeline_documents.h"
#include "sniffer/pipeline_job.h"
#include "sniffer/pipeline_lengths.h"
#include "sniffer/pipeline_model.h"
#include "sniffer/pipeline_setup.h"
#include "sniffer/pipeline_track.h"
#include "sniffer/pipeline_tracks.h"
#include "sniffer/pipeline_writer.h"
#include "sniffer/plan_room.h"
#include "sniffer/plan_work.h"
#include "sniffer/progress.h"

namespace qk::sniffer {
namespace {

/// Texts read ahead of the model. A rank that reads far ahead takes documents that another could
/// have captured by then.
constexpr int64_t kAheadAlone = 64 << 20, kAheadOfRank = 1 << 20;

/// Passes that a GPU may have queued while the host prepares the next one.
constexpr size_t kPassesAhead = 2;

/// Passes that are queued by threads of their own: one for each GPU where each has its own layers,
/// one that waits and one whose rows leave; else the calling thread queues all.
size_t tracks_of(const models::DecoderOptions& options) {
  const bool layers = options.split == models::Split::Layers && options.devices.size() > 1;
  return layers ? options.devices.size() + 2 : 1;
}

/// A GPU's passes are fed by a host thread that must not wait for a core: what helps it takes half
/// of them, tokenizing included.
void leave_cores_to_launches(at::Device device) {
  if (!device.is_cpu()) at::set_num_threads(std::max(1, at::get_num_threads() / 2));
}

/// Where several ranks capture, and long documents make a difference. A dataset that is streamed
/// from the Hub would have to be fetched for it.
std::optional<Lengths> lengths_of_job(const SniffConfig& config, const RunOptions& options,
                                      const Inputs& inputs, const IndexSet& done,
                                      Progress& progress, parallel::Job& job) {
  const bool streamed = config.dataset.streaming && !inputs.dataset_commit.empty();
  if (job.size() == 1 || streamed) return std::nullopt;
  return read_lengths(*inputs.reader, inputs.tokenizer, done, job,
                      {.max_length = config.tokenizer.max_length,
                       .cost_of_tokens = cost_of_tokens(inputs.model.spec, inputs.plan.wanted),
                       .on_progress =
                           [&](double share) {
                             progress.show(fmt::format("reading lengths {:.0f} %", 100 * share));
                           },
                       .stop = options.stop});
}

/// Documents -> passes -> rows, until the dataset ends.
class CaptureLoop {
 public:
  CaptureLoop(const SniffConfig& config, const RunOptions& options, const Inputs& inputs,
              saver::DatasetWriter& writer, Progress& progress, parallel::Job& job)
      : config_(config),
        options_(options),
        progress_(progress),
        job_(job),
        lengths_(lengths_of_job(config, options, inputs, writer.documents_found(), progress, job)),
        share_(job, order_of(lengths_, inputs.reader->row_count()), least_chunk(lengths_, job)),
        documents_(*inputs.reader, inputs.tokenizer,
                   {.max_length = config.tokenizer.max_length,
                    .done = writer.documents_found(),
                    .share = &share_,
                    .cost = lengths_ ? lengths_->cost : CostOfText{},
                    .threads = std::max(1, at::get_num_threads() / 2),
                    .ahead_bytes = job.size() > 1 ? kAheadOfRank : kAheadAlone}),
        decoder_(load_decoder(config, inputs, devices_of_rank(config, job))),
        budget_(pass_budget(config, decoder_)),
        pass_tokens_(budget_.tokens),
        writer_(writer),
        rows_(writer, memory_budget(config.output) / 4),
        heads_per_group_(heads_per_group(inputs.plan.layout)) {
    leave_cores_to_launches(decoder_.devices().front());
    make_tracks(inputs.plan.layout, tracks_of(decoder_.options()));
    state_.documents = state_.documents_before = writer.documents_done();
    state_.tokens = state_.tokens_before = writer.tokens_done();
    state_.rows = rows_before_ = writer.rows_appended();
    state_.documents_total = documents_total();
  }

  /// What was captured before an error or a stop is handed to the writer all the same.
  ProgressState run() {
    writer_.capture_begins(lengths_ ? std::optional(lengths_->tokens) : std::nullopt);
    try {
      run_passes();
    } catch (const Interrupted&) {
      rows_.finish();
      throw Interrupted("stopped after {} documents; the same command goes on from there",
                        state_.documents);
    } catch (const Error&) {
      rows_.finish();
      throw;
    } catch (const std::exception& error) {  // of libtorch, or of our kernels
      rows_.finish();
      const auto* torch = dynamic_cast<const c10::Error*>(&error);
      throw InternalError(
          "after {} documents: {}\nWhat was captured is kept; the same command "
          "goes on from there",
          state_.documents, torch ? torch->what_without_backtrace() : error.what());
    }
    rows_.finish();
    return state_;
  }

  source::TextFlaws flaws() const { return documents_.flaws(); }

 private:
  void make_tracks(const saver::CaptureLayout& layout, size_t count) {
    const auto rows = memory_budget(config_.output) / 4 / static_cast<int64_t>(count);
    for (size_t n = 0; n < count; ++n) {
      tracks_.emplace_back(
          config_.capture, layout,
          Sniffer::Options{
              .devices = decoder_.devices(), .stage_bytes = rows, .stop = options_.stop},
          [this, n](saver::RowBlock block, size_t unit) {
            take(tracks_[n], std::move(block), unit);
          },
          [this, n](const std::vector<int64_t>& of_pass) { commit(tracks_[n], of_pass); },
          count > 1 ? &turns_ : nullptr);
    }
    const int threads = at::get_num_threads() / static_cast<int>(count);
    if (count > 1) threads_.emplace(count, std::max(1, threads));
  }

  void run_passes() {
    try {
      start_passes();
    } catch (...) {
      turns_.close(std::current_exception());
      threads_.reset();  // waits for them
      throw;
    }
  }

  void start_passes() {
    while (true) {
      if (!held_ && documents_.paused()) finish_passes();
      const Stopwatch waiting;
      Batch batch = next_batch();
      {
        const std::scoped_lock lock(state_mutex_);
        state_.seconds_text += waiting.seconds();
      }
      if (batch.documents.empty()) break;
      if (options_.stop != nullptr && *options_.stop) throw Interrupted("stopped");
      timed([&] { start(std::move(batch)); });
    }
    finish_passes();
  }

  void finish_passes() {
    timed([&] { threads_ ? threads_->finish() : tracks_.front().sniffer.finish_passes(); });
  }

  void start(Batch batch) {
    if (!threads_) return pass(tracks_.front(), std::move(batch));
    const auto shared = std::make_shared<Batch>(std::move(batch));
    threads_->start([this, shared](size_t track) {
      try {
        pass(tracks_[track], std::move(*shared));
      } catch (...) {
        turns_.close(std::current_exception());
        throw;
      }
    });
  }

  /// The next documents up to the token budget, at least one, none left out between them; empty at
  /// the end of the dataset.
  Batch next_batch() {
    Batch batch;
    do {
      if (!held_ && !batch.documents.empty() && documents_.paused()) break;
      if (!held_) held_ = documents_.next();
      if (!held_) break;
      const auto length = static_cast<int64_t>(held_->ids.size());
      if (!batch.documents.empty() && (batch.tokens.offsets.back() + length > pass_tokens_ ||
                                       held_->index != batch.documents.back().index + 1))
        break;
      check_fits(*held_);
      add(batch, std::move(*std::exchange(held_, std::nullopt)));
    } while (batch.tokens.offsets.back() < pass_tokens_);
    return batch;
  }

  void check_fits(const TokenizedDocument& document) const {
    if (static_cast<int64_t>(document.ids.size()) > budget_.longest_document)
      refuse(document, budget_.longest_document);
  }

  [[noreturn]] static void refuse(const TokenizedDocument& document, int64_t fitting) {
    throw ConfigError(
        "document {} (id {}) has {} tokens, more than the memory of the device holds; about {} "
        "would fit: set tokenizer.max_length to that or less",
        document.index, document.source_id, document.ids.size(), fitting);
  }

  /// Out of memory all the same: the pass is run again in halves.
  void pass(Track& track, Batch batch) {
    batch.units = divide_into_units(batch.tokens.offsets, rows_.lanes());
    if (!queue(track, batch)) {
      auto [first, second] = split(std::move(batch));
      pass(track, std::move(first));
      pass(track, std::move(second));
      return;
    }
    track.in_flight.push_back(std::move(batch));
    track.sniffer.end_pass();
    track.sniffer.finish_passes(threads_ ? 0 : kPassesAhead);
  }

  /// False if the device's memory did not suffice; nothing of the pass is left then.
  bool queue(Track& track, const Batch& batch) {
    try {
      track.sniffer.begin_pass(pass_documents(batch));
      decoder_.prefill(batch.tokens, track);
      track.enter();
      return true;
    } catch (const c10::OutOfMemoryError&) {
      if (!track.sniffer.drop_pass()) throw;
    }
    track.leave();
    track.sniffer.finish_passes();
    const auto tokens = static_cast<int64_t>(batch.tokens.ids.size());
    if (batch.documents.size() == 1) refuse(batch.documents[0], tokens / 2);
    log::warn("out of device memory at {} tokens in a pass; going on with half as many", tokens);
    pass_tokens_ = tokens / 2;
    release_device_memory(decoder_.devices().front().type());
    return false;
  }

  /// The oldest pass in flight has handed on its last row.
  void commit(Track& track, const std::vector<int64_t>& rows) {
    track.wait();
    const Batch batch = std::move(track.in_flight.front());
    track.in_flight.pop_front();
    rows_.commit(saved_documents(batch, rows));
    tell(batch, rows);
    track.leave();
  }

  void tell(const Batch& batch, const std::vector<int64_t>& rows) {
    const std::scoped_lock lock(state_mutex_);
    using parallel::Counter;
    state_.documents =
        state_.documents_before + count(Counter::Documents, std::ssize(batch.documents));
    state_.tokens = state_.tokens_before + count(Counter::Tokens, batch.tokens.offsets.back());
    state_.documents_total = documents_total();
    state_.fraction = fraction(batch);
    for (const TokenizedDocument& document : batch.documents) documents_.finished(document);
    progress_.update(state_);
    log_batch(config_.inference, ++passes_, batch, rows, state_);
  }

  std::optional<int64_t> documents_total() const {
    return lengths_ ? lengths_->documents : documents_.row_count();
  }

  /// Of the documents, by what they cost where that is known; `batch` is the latest.
  double fraction(const Batch& batch) {
    const auto share = [](int64_t part, int64_t all) {
      return static_cast<double>(part) / static_cast<double>(std::max<int64_t>(1, all));
    };
    if (lengths_) {
      const double before = share(state_.documents_before, lengths_->documents);
      const int64_t left = count(parallel::Counter::Cost, -batch.cost());
      return 1 - (1 - before) * share(left, lengths_->total_cost);
    }
    return state_.documents_total ? share(state_.documents, *state_.documents_total)
                                  : batch.documents.back().fraction;
  }

  /// What all ranks have, this news included.
  int64_t count(parallel::Counter counter, int64_t more) { return job_.add(counter, more) + more; }

  /// What `work` takes counts as forward pass, but for the time that it waits for the disk.
  template <typename Work>
  void timed(const Work& work) {
    const Stopwatch watch;
    const double waited_before = rows_.seconds_waited();
    work();
    const std::scoped_lock lock(state_mutex_);
    state_.seconds_writing = rows_.seconds_waited();
    state_.seconds_forward += watch.seconds() - (state_.seconds_writing - waited_before);
  }

  void take(Track& track, saver::RowBlock block, size_t unit) {
    track.wait();
    tell(block);
    rows_.add(std::move(block), unit);
  }

  void tell(const saver::RowBlock& block) {
    const std::scoped_lock lock(state_mutex_);
    const int64_t heads = heads_per_group_[static_cast<size_t>(block.group)];
    state_.rows = rows_before_ + count(parallel::Counter::Rows, std::ssize(block.position) * heads);
    progress_.update(state_);
    if (options_.monitor != nullptr)
      options_.monitor->update(state_, block.bucket, heads, rows_.fill());
  }

  static std::vector<int64_t> heads_per_group(const saver::CaptureLayout& layout) {
    std::vector<int64_t> heads;
    for (const saver::LayerHeads& group : layout.groups)
      heads.push_back(static_cast<int64_t>(group.heads.size()));
    return heads;
  }

  const SniffConfig& config_;
  const RunOptions& options_;
  Progress& progress_;
  parallel::Job& job_;
  const std::optional<Lengths> lengths_;
  WorkShare share_;
  DocumentStream documents_;
  std::optional<TokenizedDocument> held_;  // read, but not in a pass yet
  models::Decoder decoder_;
  const PassBudget budget_;
  std::atomic<int64_t> pass_tokens_;  // of several documents
  saver::DatasetWriter& writer_;
  WriterThreads rows_;
  std::vector<int64_t> heads_per_group_;
  int64_t rows_before_ = 0;  // of an earlier run
  std::mutex state_mutex_;   // guards passes_ and state_
  int64_t passes_ = 0;
  ProgressState state_;
  Turns turns_;
  std::deque<Track> tracks_;
  std::optional<Tracks> threads_;  // of the tracks, where there are several
};

}  // namespace

RunReport run_sniff(const SniffConfig& config, const RunOptions& options) {
  return run_sniff(config, options, *parallel::job_alone());
}

RunReport run_sniff(const SniffConfig& config, const RunOptions& options, parallel::Job& job) {
  const Stopwatch total;
  RunReport report;
  set_threads_of_rank(config.inference, job);
  const Inputs inputs = open_inputs_of_job(config, {.stop = options.stop}, job);
  check_same_capture(config, inputs, options.version, job);
  Progress progress(options.quiet);
  saver::DatasetWriter writer =
      open_writer(config, options, inputs, job, [&](int64_t done, int64_t all) {
        progress.show(fmt::format("writing files {}/{}", done, all));
      });
  report.already_finished = writer.found() == saver::Found::Finished;
  if (report.already_finished) return report;
  if (writer.documents_done() > 0) {
    const std::optional<int64_t> all = inputs.reader->row_count();
    log::info("resuming: {}{} documents done", writer.documents_done(),
              all ? fmt::format(" of {}", *all) : "");
  } else if (job.rank() == 0) {
    check_room(config, inputs, options.stop);
  }

  {
    SniffConfig decided = config;
    decided.inference.parallel = agreed_parallel(config, options.parallel, inputs, job);
    CaptureLoop loop(decided, options, inputs, writer, progress, job);
    report.seconds_loading = total.seconds();
    report.stages = loop.run();
    report.flaws = loop.flaws();
  }  // the weights are given back before the files are built

  report.written = writer.close();
  report.stages.documents =
      report.stages.documents_before + job.add(parallel::Counter::Documents, 0);
  report.stages.tokens = report.stages.tokens_before + job.add(parallel::Counter::Tokens, 0);
  report.seconds_total = total.seconds();
  return report;
}

}  // namespace qk::sniffer
