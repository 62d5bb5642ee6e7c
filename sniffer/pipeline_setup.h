#pragma once
/// What a run needs before its first pass: everything it reads, opened and checked, and its writer.
#include <atomic>
#include <functional>
#include <memory>

#include "models/decoder.h"
#include "models/registry.h"
#include "saver/dataset_writer.h"
#include "sniffer/capture_plan.h"
#include "sniffer/config.h"
#include "sniffer/pipeline.h"
#include "source/text_reader.h"
#include "tokenizer/tokenizer.h"

namespace qk::sniffer {

/// What a run reads: everything is opened and checked before the first weight is loaded.
struct Inputs {
  std::filesystem::path model_folder, tokenizer_folder;
  std::string model_commit, dataset_commit;  ///< on the Hub; empty: local
  models::ModelDescription model;
  CapturePlan plan;
  tokenizer::Tokenizer tokenizer;
  std::unique_ptr<source::TextReader> reader;
};

struct InputOptions {
  const std::atomic<bool>* stop = nullptr;  ///< set: downloads end with Interrupted
  bool weights = true;  ///< false: a model of the Hub needs only its config.json
};

/// What the run computes, by config.json alone.
struct ModelOutline {
  models::ModelDescription model;
  CapturePlan plan;
};

/// Throws the errors of config, Hub and model.
ModelOutline outline_model(const SniffConfig& config);

/// Throws the errors of config, Hub, model, tokenizer and dataset, in this order.
Inputs open_inputs(const SniffConfig& config, const InputOptions& options = {});

/// The dataset from its start once more, by another reader. Throws HubError, DatasetError.
std::unique_ptr<source::TextReader> open_texts(const SniffConfig& config,
                                               const std::atomic<bool>* stop);

/// Everything that decides the rows; a dataset of the Hub by its commit, as local files by their
/// content.
std::map<std::string, std::string> capture_identity(const SniffConfig& config,
                                                    const Inputs& inputs);

/// The model with its weights, on each of the devices. Throws CheckpointError; ConfigError when a
/// device's memory does not hold it, or when they can't share its heads.
models::Decoder load_decoder(const SniffConfig& config, const Inputs& inputs,
                             const std::vector<at::Device>& devices);

/// on_file: progress of the final pass, files done and in all. Throws OutputError. `inputs` must
/// outlive the writer.
saver::DatasetWriter open_writer(const SniffConfig& config, const RunOptions& options,
                                 const Inputs& inputs, parallel::Job& job,
                                 std::function<void(int64_t done, int64_t all)> on_file);

/// Bytes of rows on their way to the disk.
int64_t memory_budget(const OutputConfig& config);

}  // namespace qk::sniffer
