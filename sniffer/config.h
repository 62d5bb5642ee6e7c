#pragma once
/// The YAML file as a struct. One list of fields (config_fields.h) gives reading, defaults, checks,
/// print_config and the reference page docs/config.md; --set is laid over the file before it is
/// read.
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace qk::sniffer {

enum class WeightType { Float32, BFloat16, Float16 };
enum class SamplerType { LogUniform, Uniform, All };
enum class OnBadText { Error, Skip };
enum class Parallel { Auto, Documents, Heads, Layers };

struct DatasetConfig {
  std::string path;
  std::optional<std::string> name;
  std::string split = "train";
  std::string text_column = "text";
  std::optional<std::string> id_column;
  std::optional<int64_t> max_samples;
  bool streaming = false;
  OnBadText on_bad_text = OnBadText::Error;

  bool operator==(const DatasetConfig&) const = default;
};

struct ModelConfig {
  std::string name;
  std::optional<std::string> revision;
  WeightType dtype = WeightType::Float16;
  std::optional<std::string> device_map = "auto";  ///< auto, cpu, cuda, cuda:N, null
  bool trust_remote_code = false;
  std::optional<std::string>
      attn_implementation;                    ///< eager, sdpa, flash_attention_2, flash_attention_3
  nlohmann::json config_overrides = nullptr;  ///< object or null

  bool operator==(const ModelConfig&) const = default;
};

struct TokenizerConfig {
  std::optional<std::string> name;
  int64_t max_length = 4096;
  std::string padding = "longest";  ///< longest, max_length, do_not_pad; true and false are read as
                                    ///< the first and last
  std::string padding_side = "right";
  bool trust_remote_code = false;

  bool operator==(const TokenizerConfig&) const = default;
};

struct InferenceConfig {
  int64_t batch_size = 1;
  WeightType autocast_dtype = WeightType::Float16;
  bool debug_logging = false;
  int64_t debug_log_every_n_batches = 1;
  int64_t mps_cleanup_every_batches = 0;
  std::optional<int64_t> threads;              ///< nullopt: all cores
  std::optional<int64_t> device_memory_bytes;  ///< key "device_memory"; nullopt: what is free
  std::optional<int64_t> processes;            ///< nullopt: one for each GPU
  Parallel parallel = Parallel::Auto;

  bool operator==(const InferenceConfig&) const = default;
};

struct HeadSampling {
  int64_t count = 0;
  int64_t seed = 0;

  bool operator==(const HeadSampling&) const = default;
};

struct SamplerConfig {
  SamplerType type = SamplerType::LogUniform;
  double base_rate = 1.0;

  bool operator==(const SamplerConfig&) const = default;
};

struct CaptureConfig {
  bool capture_queries = true;
  bool capture_keys = true;
  std::optional<std::vector<int64_t>> layers;
  std::optional<std::vector<int64_t>> heads;
  std::optional<HeadSampling> head_sampling;
  bool full_attention_only = false;
  SamplerConfig sampler;
  int64_t min_bucket_size = 128;
  std::optional<int64_t> max_rows_per_batch;
  bool capture_pre_rope = false;
  bool capture_token_strings = false;

  bool operator==(const CaptureConfig&) const = default;
};

struct OutputConfig {
  std::string data_root = "data";
  std::string readme_path = "README.md";
  std::optional<std::string> hf_repo_id;
  std::optional<std::string> hf_branch;
  bool is_private = false;  ///< key "private"
  int64_t write_batch_size = 4096;
  std::optional<int64_t> memory_budget_bytes;  ///< key "memory_budget"; nullopt: 1 GiB
  int64_t compression_level = 0;               ///< zstd; 0: entropy coding of vectors alone
  std::optional<int64_t> writer_threads;       ///< nullopt: 4 beside a GPU, else 1

  bool operator==(const OutputConfig&) const = default;
};

struct SniffConfig {
  DatasetConfig dataset;
  ModelConfig model;
  TokenizerConfig tokenizer;
  InferenceConfig inference;
  CaptureConfig capture;
  OutputConfig output;

  bool operator==(const SniffConfig&) const = default;
};

/// Reads a file and lays the overrides ("capture.sampler.type=all", values are YAML) over it.
/// Throws ConfigError with every mistake at once, one a line: path, value, what is allowed, the
/// nearest known key. Logs a warning for each unknown key of the file's `inference`, each duplicate
/// key (the last one holds) and each key that is set but has no effect here.
SniffConfig load_config(const std::filesystem::path& file,
                        const std::vector<std::string>& overrides);

/// The same from text; `where` stands for the file in messages. Throws nothing but ConfigError,
/// whatever the bytes.
SniffConfig parse_config(const std::string& yaml, const std::string& where,
                         const std::vector<std::string>& overrides);

/// The effective config as YAML, every key of every section, that parse_config reads back to an
/// equal config.
std::string print_config(const SniffConfig& config);

/// The text of docs/config.md: an example and a table of keys for each section.
std::string config_reference();

}  // namespace qk::sniffer
