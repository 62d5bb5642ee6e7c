// Gemma 3 text backbone. Source: transformers v5.15 models/gemma3.
#include <cmath>

#include "base/error.h"
#include "models/config_facts.h"
#include "models/families.h"

namespace qk::models {
namespace {

using checkpoint::HfConfig;
using nlohmann::json;

constexpr std::string_view kTypes[] = {"gemma3_text"};

constexpr std::string_view kDefaults = R"({
  "vocab_size": 262208, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
  "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "max_position_embeddings": 131072,
  "rms_norm_eps": 1e-6, "hidden_activation": "gelu_pytorch_tanh", "attention_bias": false,
  "query_pre_attn_scalar": 256, "sliding_window": 4096, "sliding_window_pattern": 6,
  "use_bidirectional_attention": false, "tie_word_embeddings": true
})";

constexpr TensorRow kTensors[] = {
    {Role::AttentionOutputNorm, "layers.{}.post_attention_layernorm.weight", "hidden"},
    {Role::MlpNorm, "layers.{}.pre_feedforward_layernorm.weight", "hidden"},
    {Role::MlpOutputNorm, "layers.{}.post_feedforward_layernorm.weight", "hidden"},
};

/// The rope object of one layer type. v5 nests them; in v4 form rope_theta and rope_scaling are the
/// full layers' and rope_local_base_freq the sliding layers'.
json rope_of(const json& config, const char* layer_type) {
  const bool full = std::string_view(layer_type) == "full_attention";
  json object = json::object();
  const auto parameters = config.find("rope_parameters");
  if (parameters != config.end() && parameters->is_object() && parameters->contains(layer_type) &&
      (*parameters)[layer_type].is_object()) {
    object = (*parameters)[layer_type];
  }
  if (full && config.contains("rope_scaling") && config["rope_scaling"].is_object()) {
    object.update(config["rope_scaling"]);
  }
  if (!object.contains("rope_theta")) {
    const char* key = full ? "rope_theta" : "rope_local_base_freq";
    object["rope_theta"] = config.contains(key) ? config[key] : json(full ? 1e6 : 1e4);
  }
  return object;
}

/// Older files write the pattern as _sliding_window_pattern beside or instead of
/// sliding_window_pattern.
void derive(json& config) {
  derive_head_dim(config);
  const char* key = config.contains("_sliding_window_pattern") ? "_sliding_window_pattern"
                                                               : "sliding_window_pattern";
  const int64_t pattern =
      config[key].is_number_integer() ? std::max<int64_t>(1, config[key].get<int64_t>()) : 6;
  derive_layer_types(config, [&](int64_t layer) { return (layer + 1) % pattern != 0; });
  config["rope_parameters"] = {{"full_attention", rope_of(config, "full_attention")},
                               {"sliding_attention", rope_of(config, "sliding_attention")}};
  config.erase("rope_scaling");
}

Rope rope(const HfConfig& config, const char* layer_type, int64_t head_dim) {
  return parse_rope(
      HfConfig(rope_of(config.json(), layer_type), config.where() + ": rope of " + layer_type),
      config, head_dim);
}

DecoderSpec spec(const HfConfig& config) {
  if (config.boolean("use_bidirectional_attention")) {
    throw CheckpointError(
        "{}: use_bidirectional_attention: models that look ahead (EmbeddingGemma) are not "
        "supported",
        config.where());
  }
  DecoderSpec spec = common_spec(config);
  spec.ropes = {rope(config, "full_attention", spec.head_dim),
                rope(config, "sliding_attention", spec.head_dim)};
  const std::vector<bool> sliding = sliding_layers(config);
  set_windows(spec, sliding, config.integer("sliding_window"));
  for (size_t i = 0; i < spec.layers.size(); ++i) spec.layers[i].rope = sliding[i] ? 1 : 0;
  spec.norm = kernels::NormKind::OnePlusScale;
  spec.qk_norm = true;
  spec.branch_output_norms = true;
  spec.qkv_bias = spec.output_bias = config.boolean("attention_bias");
  spec.score_scale = 1.0 / std::sqrt(config.number("query_pre_attn_scalar"));
  spec.embedding_scale = std::sqrt(static_cast<double>(spec.hidden));
  return spec;
}

}  // namespace

const Family kGemma3{.model_types = kTypes,
                     .defaults = kDefaults,
                     .derive = derive,
                     .spec = spec,
                     .tensors = kTensors};

}  // namespace qk::models
