#pragma once
/// From config to Parquet files: the whole flow on one page (pipeline.cpp).
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "parallel/job.h"
#include "saver/dataset_writer.h"
#include "sniffer/config.h"
#include "sniffer/progress.h"
#include "sniffer/progress_monitor.h"
#include "source/text_reader.h"

namespace qk::sniffer {

struct RunOptions {
  bool replace = false;                     ///< remove an earlier capture in data_root first
  bool quiet = false;                       ///< no progress line, no summary
  std::string version;                      ///< of sniff-qk, for run.json and the card
  const std::atomic<bool>* stop = nullptr;  ///< set by Ctrl-C: the run stops at the next layer
  Monitor* monitor = nullptr;               ///< told of every block of rows
  std::optional<Parallel> parallel = {};    ///< what inference.parallel: auto was found to mean
};

struct RunReport {
  saver::WriteSummary written;
  bool already_finished = false;  ///< data_root held this very capture; nothing was done
  double seconds_loading = 0;     ///< config.json, weights, tokenizer
  source::TextFlaws flaws;        ///< odd texts
  ProgressState stages;           ///< documents, tokens, rows, seconds per stage
  double seconds_total = 0;
};

/// Captures, or continues a capture that was cut off. Throws qk::Error; what was captured until
/// then is kept.
RunReport run_sniff(const SniffConfig& config, const RunOptions& options);
/// The same by the ranks of a job together, all of which call it; rank 0 has the report.
RunReport run_sniff(const SniffConfig& config, const RunOptions& options, parallel::Job& job);

/// The summary of a run for the terminal, several lines.
std::string summary(const RunReport& report, const std::string& data_root);

}  // namespace qk::sniffer
