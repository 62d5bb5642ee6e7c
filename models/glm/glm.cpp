// GLM-4-9B (glm) and GLM-4-0414 (glm4) dense text backbones.
// Source: transformers v5.15 models/glm, models/glm4.
#include "models/config_facts.h"
#include "models/families.h"

namespace qk::models {
namespace {

constexpr std::string_view kGlmTypes[] = {"glm"};
constexpr std::string_view kGlm4Types[] = {"glm4"};

constexpr std::string_view kDefaults = R"({
  "vocab_size": 151552, "hidden_size": 4096, "intermediate_size": 13696, "num_hidden_layers": 40,
  "num_attention_heads": 32, "num_key_value_heads": 2, "head_dim": 128, "max_position_embeddings": 131072,
  "rms_norm_eps": 1.5625e-7, "hidden_act": "silu", "attention_bias": true, "tie_word_embeddings": false
})";

// glm4 alone has the norms on the branches' outputs. Its post_attention_layernorm is the norm
// before the MLP.
constexpr TensorRow kGlmTensors[] = {
    {Role::AttentionOutputNorm, "layers.{}.post_self_attn_layernorm.weight", "hidden",
     &DecoderSpec::branch_output_norms},
    {Role::MlpNorm, "layers.{}.post_attention_layernorm.weight", "hidden"},
    {Role::GateUpProj, "layers.{}.mlp.gate_up_proj.weight", "2*mlp hidden"},
    {Role::MlpOutputNorm, "layers.{}.post_mlp_layernorm.weight", "hidden",
     &DecoderSpec::branch_output_norms},
};

void derive(nlohmann::json& config) {
  derive_key_heads(config);
  derive_head_dim(config);
}

DecoderSpec glm(const checkpoint::HfConfig& config) {
  DecoderSpec spec = common_spec(config, {.partial = 0.5});
  spec.qkv_bias = config.boolean("attention_bias");
  spec.separate_gate_up = false;
  spec.rotary_layout = kernels::RotaryLayout::Interleaved;
  return spec;
}

DecoderSpec glm4(const checkpoint::HfConfig& config) {
  DecoderSpec spec = glm(config);
  spec.branch_output_norms = true;
  return spec;
}

}  // namespace

const Family kGlm{.model_types = kGlmTypes,
                  .defaults = kDefaults,
                  .derive = derive,
                  .spec = glm,
                  .tensors = kGlmTensors};
const Family kGlm4{.model_types = kGlm4Types,
                   .defaults = kDefaults,
                   .derive = derive,
                   .spec = glm4,
                   .tensors = kGlmTensors};

}  // namespace qk::models
