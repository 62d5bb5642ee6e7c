// Qwen2, Qwen2.5 and Qwen3 dense text backbones.
// Source: transformers v5.15 models/qwen2, models/qwen3.
#include "base/error.h"
#include "models/config_facts.h"
#include "models/families.h"

namespace qk::models {
namespace {

using checkpoint::HfConfig;

constexpr std::string_view kQwen2Types[] = {"qwen2"};
constexpr std::string_view kQwen3Types[] = {"qwen3"};

constexpr std::string_view kQwen2Defaults = R"({
  "vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 22016, "num_hidden_layers": 32,
  "num_attention_heads": 32, "num_key_value_heads": 32, "max_position_embeddings": 32768, "rms_norm_eps": 1e-6,
  "hidden_act": "silu", "use_sliding_window": false, "sliding_window": 4096, "max_window_layers": 28,
  "tie_word_embeddings": false
})";

constexpr std::string_view kQwen3Defaults = R"({
  "vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 22016, "num_hidden_layers": 32,
  "num_attention_heads": 32, "num_key_value_heads": 32, "head_dim": 128, "max_position_embeddings": 32768,
  "rms_norm_eps": 1e-6, "hidden_act": "silu", "attention_bias": false, "use_sliding_window": false,
  "sliding_window": 4096, "max_window_layers": 28, "tie_word_embeddings": false
})";

void derive(nlohmann::json& config) {
  derive_key_heads(config);
  derive_head_dim(config);
  if (!config.value("use_sliding_window", false)) config["sliding_window"] = nullptr;
  const bool window = !config["sliding_window"].is_null();
  const int64_t first = config["max_window_layers"].is_number_integer()
                            ? config["max_window_layers"].get<int64_t>()
                            : 0;
  derive_layer_types(config, [&](int64_t layer) { return window && layer >= first; });
}

DecoderSpec qwen2(const HfConfig& config) {
  DecoderSpec spec = common_spec(config);
  spec.qkv_bias = true;
  const std::vector<bool> sliding = sliding_layers(config);
  const std::optional<int64_t> window = config.optional_integer("sliding_window");
  if (!window && std::find(sliding.begin(), sliding.end(), true) != sliding.end()) {
    throw CheckpointError(
        "{}: layer_types has sliding layers but use_sliding_window is false; set one of them right",
        config.where());
  }
  set_windows(spec, sliding, window);
  return spec;
}

DecoderSpec qwen3(const HfConfig& config) {
  DecoderSpec spec = qwen2(config);
  spec.qkv_bias = spec.output_bias = config.boolean("attention_bias");
  spec.qk_norm = true;
  return spec;
}

}  // namespace

const Family kQwen2{.model_types = kQwen2Types,
                    .defaults = kQwen2Defaults,
                    .derive = derive,
                    .spec = qwen2,
                    .tensors = llama_tensors()};
const Family kQwen3{.model_types = kQwen3Types,
                    .defaults = kQwen3Defaults,
                    .derive = derive,
                    .spec = qwen3,
                    .tensors = llama_tensors()};

}  // namespace qk::models
