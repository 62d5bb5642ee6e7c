#include "sniffer/pipeline_setup.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "models/loader.h"
#include "sniffer/pipeline_hub.h"
#include "sniffer/pipeline_model.h"

namespace qk::sniffer {
namespace {

source::DatasetSpec dataset_spec(const DatasetConfig& config) {
  return {.path = config.path,
          .name = config.name,
          .split = config.split,
          .text_column = config.text_column,
          .id_column = config.id_column,
          .max_samples = config.max_samples,
          .streaming = config.streaming,
          .skip_bad_text = config.on_bad_text == OnBadText::Skip};
}

std::vector<std::pair<std::string, std::string>> card_facts(const SniffConfig& config,
                                                            const Inputs& inputs) {
  const CaptureConfig& capture = config.capture;
  const char* samplers[] = {"log_uniform", "uniform", "all"};
  std::vector<std::pair<std::string, std::string>> facts = {
      {"model", config.model.name},
      {"model_revision", config.model.revision.value_or("")},
      {"model_type", inputs.model.model_type},
      {"source_dataset", config.dataset.path},
      {"dataset_name", config.dataset.name.value_or("")},
      {"dataset_split", config.dataset.split},
      {"attention_scope", capture.full_attention_only ? "full_attention_only" : "all_attention"},
      {"vectors",
       capture.capture_pre_rope ? "before the rotary embedding" : "after the rotary embedding"},
      {"sampling_strategy", samplers[static_cast<int>(capture.sampler.type)]},
      {"sampling_base_rate", fmt::format("{}", capture.sampler.base_rate)},
      {"sampling_bucket_size", std::to_string(capture.min_bucket_size)},
      {"max_length", std::to_string(config.tokenizer.max_length)},
      {"dataset_repo", config.output.hf_repo_id.value_or("")},
      {"dataset_branch", config.output.hf_branch.value_or("")},
  };
  const auto add_commit = [&](const char* label, const std::string& commit) {
    if (!commit.empty()) facts.emplace_back(label, commit);
  };
  add_commit("model_commit", inputs.model_commit);
  add_commit("source_dataset_commit", inputs.dataset_commit);
  for (auto& fact : head_sampling_facts(capture, layer_infos(inputs.model.spec)))
    facts.push_back(std::move(fact));
  return facts;
}

/// What a GPU captures comes faster than one thread can write it.
int writer_lanes(const SniffConfig& config) {
  const int64_t lanes = choose_device(config.model).is_cpu() ? 1 : 4;
  return static_cast<int>(config.output.writer_threads.value_or(lanes));
}

/// The threads that begin the final files while the capture runs. On a CPU the pass leaves them
/// nothing; beside a GPU they have the cores that the writer's threads and the launching one don't
/// need, and whatever else the host does goes before them.
int early_threads(const SniffConfig& config) {
  if (choose_device(config.model).is_cpu()) return 0;
  return std::max(1, at::get_num_threads() - writer_lanes(config) - 1);
}

ModelOutline outline(const SniffConfig& config, const std::filesystem::path& model_folder) {
  auto model = models::describe_model(model_folder, config.model.config_overrides);
  auto plan = plan_capture(config.capture, model.spec,
                           precision_of(config, choose_device(config.model)).stream());
  return {std::move(model), std::move(plan)};
}

}  // namespace

ModelOutline outline_model(const SniffConfig& config) {
  return outline(config, Finder().model(config).folder);
}

Inputs open_inputs(const SniffConfig& config, const InputOptions& options) {
  Finder finder(options.stop);
  const FoundFolder found_model = finder.model(config);
  const FoundFolder found_tokenizer = finder.tokenizer(config);
  auto [model, plan] = outline(config, found_model.folder);
  if (options.weights)
    finder.weights(config, found_model, models::NeededTensors(model, plan.wanted));
  auto tokenizer = tokenizer::Tokenizer::open(found_tokenizer.folder);
  FoundTexts texts = finder.texts(dataset_spec(config.dataset));
  return {.model_folder = found_model.folder,
          .tokenizer_folder = found_tokenizer.folder,
          .model_commit = found_model.commit,
          .dataset_commit = texts.commit,
          .model = std::move(model),
          .plan = std::move(plan),
          .tokenizer = std::move(tokenizer),
          .reader = std::move(texts.reader)};
}

std::map<std::string, std::string> capture_identity(const SniffConfig& config,
                                                    const Inputs& inputs) {
  auto identity = run_identity(config, inputs.model_folder, inputs.tokenizer_folder);
  if (!inputs.dataset_commit.empty()) identity["dataset commit"] = inputs.dataset_commit;
  return identity;
}

std::unique_ptr<source::TextReader> open_texts(const SniffConfig& config,
                                               const std::atomic<bool>* stop) {
  return Finder(stop).texts(dataset_spec(config.dataset)).reader;
}

models::Decoder load_decoder(const SniffConfig& config, const Inputs& inputs,
                             const std::vector<at::Device>& devices) {
  const at::Device device = devices.front();
  const int64_t usable = device.is_cpu() ? 0 : usable_memory(config, devices);
  const models::DecoderOptions options =
      lay_out(config, inputs.model.spec, inputs.plan.wanted, devices, usable);
  const std::string layout = describe_layout(options);
  if (options.store == models::WeightStore::Streamed) {
    log::info(
        "the weights go through the memory of {} layer by layer: all of them would leave no "
        "room for a pass",
        device.str());
  } else if (!layout.empty()) {
    const bool fits = fits_one_gpu(config, inputs.model.spec, inputs.plan.wanted, device, usable);
    log::info("the model {} on one GPU: {}", fits ? "would fit" : "does not fit", layout);
  }
  try {
    return models::Decoder::load(inputs.model_folder, inputs.model, options);
  } catch (const c10::OutOfMemoryError&) {
    throw ConfigError(
        "model.name: {}: the memory of {} does not hold what loading takes. `sniff-qk plan` says "
        "how much a run needs; free some, or choose another model.device_map (cpu works)",
        config.model.name, device.str());
  }
}

int64_t memory_budget(const OutputConfig& config) {
  constexpr int64_t kDefault = int64_t{1} << 30;
  return config.memory_budget_bytes.value_or(kDefault);
}

saver::DatasetWriter open_writer(const SniffConfig& config, const RunOptions& options,
                                 const Inputs& inputs, parallel::Job& job,
                                 std::function<void(int64_t done, int64_t all)> on_file) {
  return {{.data_root = config.output.data_root,
           .replace = options.replace,
           .memory_budget_bytes = memory_budget(config.output),
           .threads = at::get_num_threads(),
           .early_threads = early_threads(config),
           .lanes = writer_lanes(config),
           .compression_level = static_cast<int>(config.output.compression_level),
           .documents_total = inputs.reader->row_count(),
           .token_string = [&](int32_t id) { return inputs.tokenizer.token(id); },
           .on_final_pass = std::move(on_file),
           .stop = options.stop,
           .job = &job},
          inputs.plan.layout,
          {.tool_version = options.version,
           .config_yaml = print_config(config),
           .card_facts = card_facts(config, inputs),
           .model_name = config.model.name,
           .dataset_path = config.dataset.path,
           .dataset_split = config.dataset.split,
           .repo_hint = config.output.hf_repo_id.value_or(config.output.data_root),
           .branch = config.output.hf_branch,
           .identity = capture_identity(config, inputs)}};
}

}  // namespace qk::sniffer
