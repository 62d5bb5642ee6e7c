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
    {Role::AttentionNorm, "layers.{}.input_layernorm.weight", "hidden"},
    {Role::QProj, "layers.{}.self_attn.q_proj.weight", "query hidden"},
    {Role::KProj, "layers.{}.self_attn.k_proj.weight", "key hidden"},
    {Role::VProj, "layers.{}.self_attn.v_proj.weight", "key hidden"},
    {Role::OProj, "layers.{}.self_attn.o_proj.weight", "hidden query"},
    {Role::QBias, "layers.{}.self_attn.q_proj.bias", "query", &DecoderSpec::qkv_bias},
    {Role::KBias, "layers.{}.self_attn.k_proj.bias", "key", &DecoderSpec::qkv_bias},
    {Role::VBias, "layers.{}.self_attn.v_proj.bias", "key", &DecoderSpec::qkv_bias},
    {Role::OBias, "layers.{}.self_attn.o_proj.bias", "hidden", &DecoderSpec::output_bias},
    {Role::QNorm, "layers.{}.self_attn.q_norm.weight", "head_dim", &DecoderSpec::qk_norm},
    {Role::KNorm, "layers.{}.self_attn.k_norm.weight", "head_dim", &DecoderSpec::qk_norm},
    {Role::MlpNorm, "layers.{}.post_attention_layernorm.weight", "hidden"},
    {Role::GateProj, "layers.{}.mlp.gate_proj.weight", "mlp hidden"},
    {Role::UpProj, "layers.{}.mlp.up_proj.weight", "mlp hidden"},
    {Role::DownProj, "layers.{}.mlp.down_proj.weight", "hidden mlp"},
    {Role::GateBias, "layers.{}.mlp.gate_proj.bias", "mlp", &DecoderSpec::mlp_bias},
    {Role::UpBias, "layers.{}.mlp.up_proj.bias", "mlp", &DecoderSpec::mlp_bias},
    {Role::DownBias, "layers.{}.mlp.down_proj.bias", "hidden", &DecoderSpec::mlp_bias},
};

}  // namespace

std::span<const TensorRow> llama_tensors() { return kTensors; }

const Family kLlama{.model_types = kTypes,
                    .defaults = kDefaults,
                    .derive = derive,
                    .spec = spec,
                    .tensors = kTensors};

}  // namespace qk::models
