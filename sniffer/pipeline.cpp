#include "sniffer/pipeline.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/log.h"
#include "base/stopwatch.h"
#include "models/decoder.h"
#include "sniffer/core.h"
#include "sniffer/pipeline_documents.h"
#include "sniffer/pipeline_model.h"
#include "sniffer/pipeline_setup.h"
#include "sniffer/pipeline_writer.h"
#include "sniffer/progress.h"

namespace qk::sniffer {
namespace {

/// Tokens of a pass, per thread: some tiles for each, so that they end at about the same time.
constexpr int64_t kPassTokensPerThread = 1024;

/// Documents of one pass, tokenized.
struct Batch {
  models::PackedTokens tokens;
  std::vector<TokenizedDocument> documents;
};

/// The next documents up to the token budget, at least one; empty at the end of the dataset.
Batch next_batch(DocumentStream& documents, int64_t token_budget) {
  Batch batch;
  while (batch.tokens.offsets.back() < token_budget) {
    std::optional<TokenizedDocument> document = documents.next();
    if (!document) break;
    batch.tokens.ids.insert(batch.tokens.ids.end(), document->ids.begin(), document->ids.end());
    batch.tokens.offsets.push_back(static_cast<int64_t>(batch.tokens.ids.size()));
    batch.documents.push_back(std::move(*document));
  }
  return batch;
}

std::vector<PassDocument> pass_documents(const Batch& batch) {
  std::vector<PassDocument> documents;
  for (const TokenizedDocument& d : batch.documents) documents.push_back({d.example_id, d.ids});
  return documents;
}

std::vector<saver::Document> saved_documents(const Batch& batch, const std::vector<int64_t>& rows) {
  std::vector<saver::Document> documents;
  for (size_t i = 0; i < batch.documents.size(); ++i) {
    const TokenizedDocument& d = batch.documents[i];
    documents.push_back({.index = d.index,
                         .example_id = d.example_id,
                         .source_id = d.source_id,
                         .tokens = static_cast<int64_t>(d.ids.size()),
                         .truncated = d.truncated,
                         .rows = rows[i]});
  }
  return documents;
}

void log_batch(const InferenceConfig& config, int64_t number, const Batch& batch,
               const std::vector<int64_t>& rows, const ProgressState& state) {
  const bool due = number <= 3 || number % config.debug_log_every_n_batches == 0;
  if (!config.debug_logging || !due) return;
  log::debug(
      "batch {}: {} documents, {} tokens, {} rows; so far {:.3f} s waiting for text, {:.3f} s "
      "forward, {:.3f} s "
      "waiting for disk",
      number, batch.documents.size(), batch.tokens.ids.size(),
      std::accumulate(rows.begin(), rows.end(), int64_t{0}), state.seconds_text,
      state.seconds_forward, state.seconds_writing);
}

/// Documents -> passes -> rows, until the dataset ends.
class CaptureLoop {
 public:
  CaptureLoop(const SniffConfig& config, const RunOptions& options, const Inputs& inputs,
              saver::DatasetWriter& writer, Progress& progress)
      : config_(config),
        options_(options),
        progress_(progress),
        documents_(*inputs.reader, inputs.tokenizer,
                   {.max_length = config.tokenizer.max_length,
                    .skip = writer.documents_done(),
                    .threads = std::max(1, at::get_num_threads() / 2)}),
        decoder_(models::Decoder::load(inputs.model_folder, inputs.model,
                                       {.dtype = scalar_type(config.model.dtype),
                                        .device = choose_device(config.model),
                                        .before_rotary = config.capture.capture_pre_rope,
                                        .wanted = inputs.plan.wanted})),
        rows_(writer, memory_budget(config.output) / 4),
        sniffer_(
            config.capture, inputs.plan.layout,
            [this](saver::RowBlock block) { take(std::move(block)); }, options.stop),
        heads_per_group_(heads_per_group(inputs.plan.layout)) {
    state_.documents = state_.documents_before = writer.documents_done();
    state_.tokens = state_.tokens_before = writer.tokens_done();
    state_.rows = writer.rows_appended();
    state_.documents_total = documents_.row_count();
  }

  /// What was captured before an error or a stop is handed to the writer all the same.
  ProgressState run() {
    try {
      run_passes();
    } catch (const Interrupted&) {
      rows_.finish();
      throw Interrupted("stopped after {} documents; the same command goes on from there",
                        state_.documents);
    } catch (...) {
      rows_.finish();
      throw;
    }
    rows_.finish();
    return state_;
  }

  source::TextFlaws flaws() const { return documents_.flaws(); }

 private:
  void run_passes() {
    for (int64_t number = 1;; ++number) {
      const Stopwatch waiting;
      const Batch batch = next_batch(documents_, kPassTokensPerThread * at::get_num_threads());
      state_.seconds_text += waiting.seconds();
      if (batch.documents.empty()) break;
      if (options_.stop != nullptr && *options_.stop) throw Interrupted("stopped");
      pass(batch);
      log_batch(config_.inference, number, batch, sniffer_.rows_by_document(), state_);
    }
  }

  void pass(const Batch& batch) {
    const Stopwatch watch;
    const double waited_before = rows_.seconds_waited();
    sniffer_.begin_pass(pass_documents(batch));
    decoder_.prefill(batch.tokens, sniffer_);
    rows_.commit(saved_documents(batch, sniffer_.rows_by_document()));
    state_.seconds_writing = rows_.seconds_waited();
    state_.seconds_forward += watch.seconds() - (state_.seconds_writing - waited_before);
    state_.documents += static_cast<int64_t>(batch.documents.size());
    state_.tokens += batch.tokens.offsets.back();
    state_.fraction = documents_.progress();
    progress_.update(state_);
  }

  void take(saver::RowBlock block) {
    const int64_t heads = heads_per_group_[static_cast<size_t>(block.group)];
    state_.rows += static_cast<int64_t>(block.position.size()) * heads;
    progress_.update(state_);
    if (options_.monitor != nullptr)
      options_.monitor->update(state_, block.bucket, heads, rows_.fill());
    rows_.add(std::move(block));
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
  DocumentStream documents_;
  models::Decoder decoder_;
  WriterThread rows_;
  Sniffer sniffer_;
  std::vector<int64_t> heads_per_group_;
  ProgressState state_;
};

}  // namespace

RunReport run_sniff(const SniffConfig& config, const RunOptions& options) {
  const Stopwatch total;
  RunReport report;
  if (config.inference.threads) at::set_num_threads(static_cast<int>(*config.inference.threads));

  const Inputs inputs = open_inputs(config, options.stop);
  Progress progress(options.quiet);
  saver::DatasetWriter writer =
      open_writer(config, options, inputs, [&](int64_t done, int64_t all) {
        progress.show(fmt::format("writing files {}/{}", done, all));
      });
  report.already_finished = writer.found() == saver::Found::Finished;
  if (report.already_finished) return report;
  if (writer.documents_done() > 0) {
    const std::optional<int64_t> all = inputs.reader->row_count();
    log::info("resuming: {}{} documents done", writer.documents_done(),
              all ? fmt::format(" of {}", *all) : "");
  }

  {
    CaptureLoop loop(config, options, inputs, writer, progress);
    report.seconds_loading = total.seconds();
    report.stages = loop.run();
    report.flaws = loop.flaws();
  }  // the weights are given back before the files are built

  report.written = writer.close();
  report.seconds_total = total.seconds();
  return report;
}

}  // namespace qk::sniffer
