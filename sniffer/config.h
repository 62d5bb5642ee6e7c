#pragma once
/// The YAML file as a struct. One list of fields (config.cpp) gives reading, defaults, checks, --set, --print-config and
/// the reference page docs/config.md.
#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace qk::sniffer {

enum class WeightType { Float32, BFloat16, Float16 };
enum class SamplerType { LogUniform, Uniform, All };

struct DatasetConfig {
  std::string path;
  std::optional<std::string> name;
  std::string split = "train";
  std::string text_column = "text";
  std::optional<std::string> id_column;
  std::optional<int64_t> max_samples;
  bool streaming = false;
};

struct ModelConfig {
  std::string name;
  std::optional<std::string> revision;
  WeightType dtype = WeightType::Float16;
  std::optional<std::string> device_map = "auto";  ///< auto, cpu, cuda, cuda:N, null
  bool trust_remote_code = false;
  std::optional<std::string> attn_implementation;  ///< eager, sdpa, flash_attention_2, flash_attention_3
  nlohmann::json config_overrides = nullptr;       ///< object or null
};

struct TokenizerConfig {
  std::optional<std::string> name;
  int64_t max_length = 4096;
  std::string padding = "longest";
  std::string padding_side = "right";
  bool trust_remote_code = false;
};

struct InferenceConfig {
  int64_t batch_size = 1;
  WeightType autocast_dtype = WeightType::Float16;
  bool debug_logging = false;
  int64_t debug_log_every_n_batches = 1;
  int64_t mps_cleanup_every_batches = 0;
};

struct HeadSampling {
  int64_t count = 0;
  int64_t seed = 0;
};

struct SamplerConfig {
  SamplerType type = SamplerType::LogUniform;
  double base_rate = 1.0;
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
};

struct OutputConfig {
  std::string data_root = "data";
  std::string readme_path = "README.md";
  std::optional<std::string> hf_repo_id;
  std::optional<std::string> hf_branch;
  bool is_private = false;  ///< key "private"
  int64_t write_batch_size = 4096;
};

struct SniffConfig {
  DatasetConfig dataset;
  ModelConfig model;
  TokenizerConfig tokenizer;
  InferenceConfig inference;
  CaptureConfig capture;
  OutputConfig output;
};

/// Reads a file and lays the overrides ("capture.sampler.type=all", values are YAML) over it.
/// Throws ConfigError with every mistake at once, one a line: path, value, what is allowed, the nearest known key.
/// Unknown keys in `inference` are warnings.
SniffConfig load_config(const std::filesystem::path& file, const std::vector<std::string>& overrides);

/// The same from text; `where` stands for the file in messages.
SniffConfig parse_config(const std::string& yaml, const std::string& where, const std::vector<std::string>& overrides);

/// The effective config as YAML that parse_config reads back to an equal config.
std::string print_config(const SniffConfig& config);

/// Markdown table of all keys with type, default and meaning, for docs/config.md.
std::string config_reference();

}  // namespace qk::sniffer
