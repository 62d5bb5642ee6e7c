// Llama 1-3 and everything that declares model_type llama (SmolLM, SmolLM2, TinyLlama, ...).
// Source: transformers v5.15 models/llama (configuration_llama.py, modeling_llama.py).
#include "models/config_facts.h"
#include "models/families.h"

namespace qk::models {
namespace {

constexpr std::string_view kTypes[] = {"llama"};

constexpr std::string_view kDefaults = R"({
  "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
  "num_attention_heads": 32, "max_position_embeddings": 2048, "rms_norm_eps": 1e-6, "hidden_act": "silu",
  "attention_bias": false, "mlp_bias": false, "tie_word_embeddings": false
})";

void derive(nlohmann::json& config) {
  derive_key_heads(config);
  derive_head_dim(config);
}

DecoderSpec spec(const checkpoint::HfConfig& config) {
  DecoderSpec spec = common_spec(config);
  spec.qkv_bias = spec.output_bias = config.boolean("attention_bias");
  spec.mlp_bias = config.boolean("mlp_bias");
  return spec;
}

constexpr TensorRow kTensors[] = {
    {Role::MlpNorm, "layers.{}.post_attention_layernorm.weight", "hidden"},
};

}  // namespace

std::span<const TensorRow> llama_tensors() { return kTensors; }

const Family kLlama{.model_types = kTypes,
                    .defaults = kDefaults,
                    .derive = derive,
                    .spec = spec,
                    .tensors = kTensors};

}  // namespace qk::models
