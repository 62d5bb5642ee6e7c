#pragma once
/// Writes a capture: rows go to a spool as the run goes (bounded memory, sequential), close() turns
/// the spool into <data_root>/lXXhYY{q,k}/data.parquet, README.md (the card), run.json and
/// examples.parquet.
#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/index_set.h"
#include "parallel/job.h"
#include "saver/rows.h"

namespace qk::saver {

/// Facts for the card and run.json that the writer can't know by itself.
struct RunFacts {
  std::string tool_version;
  std::string config_yaml;  ///< effective config (--print-config)
  std::vector<std::pair<std::string, std::string>>
      card_facts;  ///< label, value; in the order to print
  std::string model_name, dataset_path, dataset_split;
  std::string repo_hint;              ///< what the card tells to load; empty: data_root
  std::optional<std::string> branch;  ///< of that repo
  /// Everything that decides the rows (config without output section, hashes of model and tokenizer
  /// files, ...): key -> value. A later run may only continue a spool whose identity is equal;
  /// differences are listed by key.
  std::map<std::string, std::string> identity;
};

struct WriterOptions {
  std::filesystem::path data_root;
  /// Start anew. An unfinished capture is dropped, unless it was begun with replace too and is the
  /// same: then it goes on. A finished one stays readable until the new one takes its place. Never
  /// touches what no capture wrote.
  bool replace = false;
  int64_t memory_budget_bytes = 1LL << 30;
  int threads = 0;  ///< for the final pass; 0: all cores
  /// Of lowest priority, which begin the final files while the capture runs, where this process
  /// writes it alone: they take a quarter of the memory budget. 0: none.
  int early_threads = 0;
  /// Threads that call append(), each in a lane of its own: the system writes one file on one core
  /// at a time. Rank 0's counts.
  int lanes = 1;
  int compression_level = 0;  ///< 0: entropy coding of vectors alone; else zstd's, 1..22
  int64_t row_group_bytes =
      16LL << 20;  ///< float32 vectors in a row group of the final files, at most
  int64_t segment_bytes = 1LL << 30;  ///< of the spool; the last record may go beyond it
  /// Rows of the dataset, where that is known: a capture that won't fit is an error soon after the
  /// start.
  std::optional<int64_t> documents_total = {};
  /// id -> piece; needed with token_strings. Called from the threads that write the final files.
  std::function<std::string(int32_t)> token_string;
  std::function<void(int64_t done, int64_t total)> on_final_pass;  ///< progress in configs
  const std::atomic<bool>* stop = nullptr;  ///< Ctrl-C: stop the final pass cleanly
  /// The ranks that write this capture together; all construct the writer and close it. One that
  /// does not see rank 0's data_root sends it all. nullptr: this process alone. Outlives the
  /// writer.
  parallel::Job* job = nullptr;
};

struct WriteSummary {
  int64_t files = 0;
  int64_t rows = 0;        ///< over all files
  int64_t rows_early = 0;  ///< of these, written before close()
  int64_t bytes = 0;       ///< of the Parquet files
  int64_t documents = 0, skipped = 0, truncated = 0, tokens = 0;
  double seconds_finalizing = 0;
};

enum class Found { Nothing, Unfinished, Finished };

class DatasetWriter {
 public:
  /// Checks and locks data_root. Throws OutputError: foreign files in it, not writable, another run
  /// has it, an earlier capture with another identity (lists what differs; --replace starts anew).
  DatasetWriter(WriterOptions options, CaptureLayout layout, RunFacts facts);
  ~DatasetWriter();  ///< without close(): what was appended is kept for a later run; no final file
                     ///< appears

  /// The time of the capture counts from here, without the loading of the model before it.
  /// tokens_left: to be captured, about, where documents come longest first.
  void capture_begins(std::optional<int64_t> tokens_left = {});

  /// What was in data_root. Finished: the same capture is complete, nothing to do. Unfinished:
  /// documents_done() > 0 may hold.
  Found found() const;

  /// Documents (rows of the dataset, skipped ones included) in the spool when it was opened, by
  /// index: the run passes over them.
  const IndexSet& documents_found() const;
  int64_t documents_done() const;  ///< how many; of a finished capture all
  int64_t tokens_done() const;

  /// WriterOptions::lanes of rank 0; 1 where rank 0 is sent what is appended.
  int64_t lanes() const;

  /// Documents may come in any order, each once; the parts of a batch follow one another in a lane.
  /// Each lane (0 to lanes() - 1) has its own files and may have its own thread. Blocks on disk
  /// only, or until rank 0 has it. Throws OutputError (disk full, ...).
  void append(const CapturedBatch& batch, int64_t lane = 0);

  /// Rows over all heads appended so far, for the progress display.
  int64_t rows_appended() const;

  /// Builds the final files: each rank its share, rank 0 publishes them and has the summary. Throws
  /// OutputError, Interrupted.
  WriteSummary close();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace qk::saver
