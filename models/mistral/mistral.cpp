// Mistral, Ministral and Ministral 3 text backbones.
// Source: transformers v5.15 models/mistral, models/ministral, models/ministral3.
#include "base/error.h"
#include "models/config_facts.h"
#include "models/families.h"

namespace qk::models {
namespace {

using checkpoint::HfConfig;

constexpr std::string_view kMistralTypes[] = {"mistral"};
constexpr std::string_view kMinistralTypes[] = {"ministral"};
constexpr std::string_view kMinistral3Types[] = {"ministral3"};

// An absent sliding_window is 4096; released v0.2 and later files store null.
constexpr std::string_view kMistralDefaults = R"({
  "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
  "num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 131072, "rms_norm_eps": 1e-6,
  "hidden_act": "silu", "sliding_window": 4096, "tie_word_embeddings": false
})";

constexpr std::string_view kMinistral3Defaults = R"({
  "vocab_size": 131072, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 34,
  "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 262144,
  "rms_norm_eps": 1e-5, "hidden_act": "silu", "sliding_window": null, "tie_word_embeddings": false,
  "rope_parameters": {"rope_type": "yarn", "rope_theta": 1e6, "factor": 16.0,
                      "original_max_position_embeddings": 16384, "beta_fast": 32.0, "beta_slow": 1.0, "mscale": 1.0,
                      "mscale_all_dim": 1.0, "llama_4_scaling_beta": 0.1}
})";

void derive(nlohmann::json& config) {
  derive_key_heads(config);
  derive_head_dim(config);
}

void derive_ministral(nlohmann::json& config) {
  derive(config);
  const bool window = config.contains("sliding_window") && !config["sliding_window"].is_null();
  derive_layer_types(config, [&](int64_t) { return window; });
}

/// The window counts for every layer whatever layer_types says; head sampling sees no layer as
/// sliding.
void window_everywhere(DecoderSpec& spec, const HfConfig& config) {
  for (Layer& layer : spec.layers) layer.window = config.optional_integer("sliding_window");
}

DecoderSpec mistral(const HfConfig& config) {
  DecoderSpec spec = common_spec(config);
  window_everywhere(spec, config);
  return spec;
}

DecoderSpec ministral(const HfConfig& config) {
  DecoderSpec spec = common_spec(config);
  set_windows(spec, sliding_layers(config), config.optional_integer("sliding_window"));
  return spec;
}

DecoderSpec ministral3(const HfConfig& config) {
  DecoderSpec spec = common_spec(config, {.theta = 1e6});
  window_everywhere(spec, config);
  const HfConfig rope(rope_object(config.json(), {.theta = 1e6}),
                      config.where() + ": rope_parameters");
  spec.query_temperature =
      QueryTemperature{.beta = rope.number("llama_4_scaling_beta"),
                       .original_max_positions = rope.number("original_max_position_embeddings")};
  return spec;
}

}  // namespace

const Family kMistral{.model_types = kMistralTypes,
                      .defaults = kMistralDefaults,
                      .derive = derive,
                      .spec = mistral,
                      .tensors = llama_tensors()};
const Family kMinistral{.model_types = kMinistralTypes,
                        .defaults = kMistralDefaults,
                        .derive = derive_ministral,
                        .spec = ministral,
                        .tensors = llama_tensors()};
const Family kMinistral3{.model_types = kMinistral3Types,
                         .defaults = kMinistral3Defaults,
                         .derive = derive,
                         .spec = ministral3,
                         .tensors = llama_tensors()};

}  // namespace qk::models
