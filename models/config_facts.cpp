#include "models/config_facts.h"

#include <cmath>

#include "base/error.h"

namespace qk::models {

using checkpoint::HfConfig;
using nlohmann::json;

void derive_head_dim(json& config) {
  if (config.contains("head_dim") && !config["head_dim"].is_null()) return;
  const int64_t heads = config.value("num_attention_heads", int64_t{0});
  if (heads > 0) config["head_dim"] = config.value("hidden_size", int64_t{0}) / heads;
}

void derive_key_heads(json& config) {
  if (config.contains("num_key_value_heads") && !config["num_key_value_heads"].is_null()) return;
  if (config.contains("num_attention_heads"))
    config["num_key_value_heads"] = config["num_attention_heads"];
}

kernels::Activation parse_activation(const HfConfig& config, const std::string& key) {
  using kernels::Activation;
  constexpr std::pair<const char*, Activation> kNames[] = {
      {"silu", Activation::Silu}, {"swish", Activation::Silu},
      {"gelu", Activation::Gelu}, {"gelu_pytorch_tanh", Activation::GeluTanh},
      {"relu", Activation::Relu},
  };
  const std::string name = config.text(key);
  for (const auto& [known, activation] : kNames) {
    if (name == known) return activation;
  }
  throw CheckpointError(
      "{}: {}: unknown activation '{}'; known: silu, swish, gelu, gelu_pytorch_tanh, relu",
      config.where(), key, name);
}

namespace {

int64_t size(const HfConfig& config, const std::string& key) {
  const int64_t value = config.integer(key);
  if (value < 1 || value > (int64_t{1} << 31)) {
    throw CheckpointError("{}: {}: {} is no size", config.where(), key, value);
  }
  return value;
}

}  // namespace

DecoderSpec common_spec(const HfConfig& config, const RopeDefaults& rope) {
  DecoderSpec spec;
  spec.vocab = size(config, "vocab_size");
  spec.hidden = size(config, "hidden_size");
  spec.mlp = size(config, "intermediate_size");
  spec.query_heads = size(config, "num_attention_heads");
  spec.key_heads = size(config, "num_key_value_heads");
  spec.head_dim = size(config, "head_dim");
  if (spec.query_heads % spec.key_heads != 0) {
    throw CheckpointError("{}: num_attention_heads {} is no multiple of num_key_value_heads {}",
                          config.where(), spec.query_heads, spec.key_heads);
  }
  spec.norm_eps = config.number("rms_norm_eps");
  spec.activation = parse_activation(
      config, config.has("hidden_activation") ? "hidden_activation" : "hidden_act");
  spec.score_scale = 1.0 / std::sqrt(static_cast<double>(spec.head_dim));
  spec.tied_embeddings = config.boolean("tie_word_embeddings", false);
  const HfConfig object(rope_object(config.json(), rope), config.where() + ": rope_parameters");
  if (!object.is_object("full_attention")) spec.ropes = {parse_rope(object, config, spec.head_dim)};
  spec.layers.assign(static_cast<size_t>(size(config, "num_hidden_layers")), Layer{.rope = 0});
  return spec;
}

std::vector<bool> sliding_layers(const HfConfig& config) {
  const std::vector<std::string> types = config.texts("layer_types");
  const int64_t layers = config.integer("num_hidden_layers");
  if (static_cast<int64_t>(types.size()) < layers) {
    throw CheckpointError("{}: layer_types: {} entries for {} layers", config.where(), types.size(),
                          layers);
  }
  std::vector<bool> sliding;
  for (int64_t i = 0; i < layers; ++i) {
    const std::string& type = types[static_cast<size_t>(i)];
    if (type != "sliding_attention" && type != "full_attention") {
      throw CheckpointError(
          "{}: layer_types: entry {} is '{}'; known: full_attention, sliding_attention",
          config.where(), i, type);
    }
    sliding.push_back(type == "sliding_attention");
  }
  return sliding;
}

void set_windows(DecoderSpec& spec, const std::vector<bool>& sliding,
                 std::optional<int64_t> window) {
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    if (!sliding[i]) continue;
    spec.layers[i].window = window;
    spec.layers[i].samples_as_full = false;
  }
}

}  // namespace qk::models
