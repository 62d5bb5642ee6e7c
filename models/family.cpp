#include "models/family.h"

namespace qk::models {
namespace {

constexpr TensorRow kRows[] = {
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
    {Role::GateProj, "layers.{}.mlp.gate_proj.weight", "mlp hidden",
     &DecoderSpec::separate_gate_up},
    {Role::UpProj, "layers.{}.mlp.up_proj.weight", "mlp hidden", &DecoderSpec::separate_gate_up},
    {Role::DownProj, "layers.{}.mlp.down_proj.weight", "hidden mlp"},
    {Role::GateBias, "layers.{}.mlp.gate_proj.bias", "mlp", &DecoderSpec::mlp_bias},
    {Role::UpBias, "layers.{}.mlp.up_proj.bias", "mlp", &DecoderSpec::mlp_bias},
    {Role::DownBias, "layers.{}.mlp.down_proj.bias", "hidden", &DecoderSpec::mlp_bias},
};

}  // namespace

std::vector<TensorRow> layer_tensors(const Family& family, const DecoderSpec& spec) {
  std::vector<TensorRow> rows;
  const auto add = [&](std::span<const TensorRow> table) {
    for (const TensorRow& row : table) {
      if (row.present == nullptr || spec.*row.present) rows.push_back(row);
    }
  };
  add(kRows);
  add(family.tensors);
  return rows;
}

}  // namespace qk::models
