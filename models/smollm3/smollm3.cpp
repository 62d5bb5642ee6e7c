// SmolLM3. Source: transformers v5.15 models/smollm3.
#include "base/error.h"
#include "models/config_facts.h"
#include "models/families.h"

namespace qk::models {
namespace {

using checkpoint::HfConfig;

constexpr std::string_view kTypes[] = {"smollm3"};

constexpr std::string_view kDefaults = R"({
  "vocab_size": 128256, "hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36,
  "num_attention_heads": 16, "num_key_value_heads": 4, "max_position_embeddings": 32768, "rms_norm_eps": 1e-6,
  "hidden_act": "silu", "attention_bias": false, "mlp_bias": false, "use_sliding_window": false,
  "sliding_window": null, "no_rope_layer_interval": 4, "tie_word_embeddings": true
})";

/// no_rope_layers is named against its meaning: 1 is a layer with a rotary embedding.
void derive(nlohmann::json& config) {
  derive_key_heads(config);
  derive_head_dim(config);
  if (!config.contains("no_rope_layers") || !config["no_rope_layers"].is_array()) {
    const int64_t interval =
        std::max<int64_t>(1, config.value("no_rope_layer_interval", int64_t{4}));
    config["no_rope_layers"] = nlohmann::json::array();
    for (int64_t i = 0; i < config.value("num_hidden_layers", int64_t{0}); ++i) {
      config["no_rope_layers"].push_back((i + 1) % interval != 0 ? 1 : 0);
    }
  }
  const bool window =
      config.value("use_sliding_window", false) && !config["sliding_window"].is_null();
  const nlohmann::json rotary = config["no_rope_layers"];
  derive_layer_types(config, [&](int64_t layer) {
    return window && static_cast<size_t>(layer) < rotary.size() &&
           rotary[static_cast<size_t>(layer)] == 0;
  });
}

DecoderSpec spec(const HfConfig& config) {
  DecoderSpec spec = common_spec(config, {.theta = 2e6});
  spec.qkv_bias = spec.output_bias = config.boolean("attention_bias");
  spec.mlp_bias = config.boolean("mlp_bias");
  const std::vector<int64_t> rotary = config.integers("no_rope_layers");
  if (rotary.size() < spec.layers.size()) {
    throw CheckpointError("{}: no_rope_layers: {} entries for {} layers", config.where(),
                          rotary.size(), spec.layers.size());
  }
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    if (rotary[i] == 0) spec.layers[i].rope.reset();
  }
  const bool windows = config.boolean("use_sliding_window");
  set_windows(spec, sliding_layers(config),
              windows ? config.optional_integer("sliding_window") : std::nullopt);
  return spec;
}

}  // namespace

const Family kSmolLM3{.model_types = kTypes,
                      .defaults = kDefaults,
                      .derive = derive,
                      .spec = spec,
                      .tensors = llama_tensors()};

}  // namespace qk::models
