// Llama 3.2 Vision, text only. Source: transformers v5.15 models/mllama.
#include "models/config_facts.h"
#include "models/families.h"

namespace qk::models {
namespace {

constexpr std::string_view kTypes[] = {"mllama_text_model"};

constexpr std::string_view kDefaults = R"({
  "vocab_size": 128256, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 40,
  "num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 131072, "rms_norm_eps": 1e-5,
  "hidden_act": "silu", "cross_attention_layers": [3, 8, 13, 18, 23, 28, 33, 38], "tie_word_embeddings": false
})";

/// Special tokens of the image input, in the embedding behind the vocabulary.
constexpr int64_t kExtraEmbeddingRows = 8;

void derive(nlohmann::json& config) {
  config["head_dim"] = nullptr;
  derive_head_dim(config);
}

DecoderSpec spec(const checkpoint::HfConfig& config) {
  DecoderSpec spec = common_spec(config, {.theta = 5e5});
  spec.vocab += kExtraEmbeddingRows;
  for (const int64_t layer : config.integers("cross_attention_layers")) {
    if (layer >= 0 && layer < static_cast<int64_t>(spec.layers.size())) {
      spec.layers[static_cast<size_t>(layer)].attention = false;
    }
  }
  return spec;
}

}  // namespace

const Family kMllama{.model_types = kTypes,
                     .defaults = kDefaults,
                     .derive = derive,
                     .spec = spec,
                     .tensors = llama_tensors()};

}  // namespace qk::models
