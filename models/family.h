#pragma once
/// The vocabulary in which a decoder family is described. decoder.cpp never asks which family it
/// runs: a difference between families is a field here with a neutral default.
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "checkpoint/hf_config.h"
#include "kernels/activation.h"
#include "kernels/norm.h"
#include "kernels/rotary.h"
#include "models/rope.h"

namespace qk::models {

/// One entry of the model's full layer list.
struct Layer {
  bool attention =
      true;  ///< false: cross-attention layer, not run without an image; the residual passes
  std::optional<size_t> rope = {};  ///< index into DecoderSpec::ropes; nullopt: no rotary embedding
  std::optional<int64_t> window =
      {};                       ///< keys a query sees, itself included; nullopt: all before it
  bool samples_as_full = true;  ///< head sampling with full_attention_only takes it as a candidate
};

/// q *= 1 + beta * ln(1 + floor(position / original_max_positions)), after the rotary embedding.
struct QueryTemperature {
  double beta = 0;
  double original_max_positions = 0;
};

struct DecoderSpec {
  int64_t vocab = 0;  ///< rows of the embedding
  int64_t hidden = 0;
  int64_t mlp = 0;
  int64_t query_heads = 0;
  int64_t key_heads = 0;
  int64_t head_dim = 0;

  kernels::NormKind norm = kernels::NormKind::RoundThenScale;
  double norm_eps = 1e-6;
  bool qk_norm = false;  ///< norm over head_dim of queries and keys, before the rotary embedding
  bool qkv_bias = false;
  bool output_bias = false;  ///< bias of o_proj
  bool mlp_bias = false;
  bool separate_gate_up = true;  ///< false: one tensor, gate rows first
  bool branch_output_norms =
      false;  ///< norms on the outputs of attention and MLP, before the residual sum

  kernels::Activation activation = kernels::Activation::Silu;
  kernels::RotaryLayout rotary_layout = kernels::RotaryLayout::Half;
  double score_scale = 1.0;                ///< of q.k before softmax
  std::optional<double> embedding_scale;   ///< rounded to the weight dtype before it is used
  std::optional<int64_t> token_read_as_0;  ///< an image placeholder outside the vocabulary
  std::optional<QueryTemperature> query_temperature;
  bool tied_embeddings = false;  ///< lm_head may stand in for a missing embedding

  std::vector<Rope> ropes;
  std::vector<Layer> layers;
};

enum class Role {
  Embedding,
  AttentionNorm,
  QProj,
  KProj,
  VProj,
  OProj,
  QBias,
  KBias,
  VBias,
  OBias,
  QNorm,
  KNorm,
  AttentionOutputNorm,
  MlpNorm,
  GateProj,
  UpProj,
  GateUpProj,
  DownProj,
  GateBias,
  UpBias,
  DownBias,
  MlpOutputNorm,
  QkvProj,  ///< not in a checkpoint: a GPU computes queries, keys and values as one product
  QkvBias,
};
constexpr size_t kRoles = static_cast<size_t>(Role::QkvBias) + 1;

/// One tensor of the checkpoint. shape: words of loader.cpp's table (vocab hidden mlp 2*mlp query
/// key head_dim).
struct TensorRow {
  Role role;
  std::string_view name;  ///< below the decoder's prefix; {} stands for the layer's index
  std::string_view shape;
  bool DecoderSpec::*present =
      nullptr;  ///< the switch that the tensor depends on; nullptr: always there
};

struct Family {
  std::span<const std::string_view>
      model_types;            ///< values of model_type in the decoder's own config object
  std::string_view defaults;  ///< JSON: class defaults for keys that a config.json leaves out
  /// Fills in the fields that Transformers derives while parsing (head_dim, layer_types, ...),
  /// before any override.
  void (*derive)(nlohmann::json& config);
  DecoderSpec (*spec)(const checkpoint::HfConfig& config);
  std::span<const TensorRow> tensors;  ///< beside those that all families call alike
};

/// The tensors that a layer of this model has: those that all families call alike (family.cpp) and
/// the family's own, as far as their switches are on.
std::vector<TensorRow> layer_tensors(const Family& family, const DecoderSpec& spec);

}  // namespace qk::models
