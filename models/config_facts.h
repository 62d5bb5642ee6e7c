#pragma once
/// What the families have in common when they read a config.json.
#include <string>
#include <string_view>
#include <vector>

#include "models/family.h"

namespace qk::models {

/// head_dim of the file; else hidden_size / num_attention_heads is written into the object. null
/// counts as absent.
void derive_head_dim(nlohmann::json& config);

/// A null num_key_value_heads means num_attention_heads.
void derive_key_heads(nlohmann::json& config);

/// layer_types, unless the file has them: "sliding_attention" where `slides(i)`.
template <typename Slides>
void derive_layer_types(nlohmann::json& config, Slides slides) {
  if (config.contains("layer_types") && config["layer_types"].is_array()) return;
  nlohmann::json types = nlohmann::json::array();
  for (int64_t i = 0; i < config.value("num_hidden_layers", int64_t{0}); ++i) {
    types.push_back(slides(i) ? "sliding_attention" : "full_attention");
  }
  config["layer_types"] = std::move(types);
}

/// Sizes, heads, norm epsilon, activation, biases of the common keys, score_scale = head_dim^-0.5,
/// one rope, and num_hidden_layers full-attention layers that use it. Throws CheckpointError naming
/// key and value.
DecoderSpec common_spec(const checkpoint::HfConfig& config, const RopeDefaults& rope = {});

/// From layer_types: true where a layer slides. Throws when the list is shorter than
/// num_hidden_layers or holds another word.
std::vector<bool> sliding_layers(const checkpoint::HfConfig& config);

/// Gives the sliding layers the window `sliding_window`; they are no candidates as full-attention
/// layers.
void set_windows(DecoderSpec& spec, const std::vector<bool>& sliding,
                 std::optional<int64_t> window);

kernels::Activation parse_activation(const checkpoint::HfConfig& config, const std::string& key);

}  // namespace qk::models
