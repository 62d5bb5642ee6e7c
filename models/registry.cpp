#include "models/registry.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "models/families.h"

namespace qk::models {
namespace {

using checkpoint::HfConfig;
using nlohmann::json;

constexpr const Family* kFamilies[] = {
    &kLlama,   &kMistral, &kMinistral, &kMinistral3, &kQwen2,  &kQwen3,
    &kSmolLM3, &kGlm,     &kGlm4,      &kGemma3,     &kMllama,
};

/// Multimodal checkpoints: model_type of the whole -> model_type of its text part where text_config
/// names none.
struct Wrapper {
  std::string_view model_type;
  std::string_view text_model_type;
  std::string_view text_defaults;  ///< used when there is no text_config at all
};

constexpr Wrapper kWrappers[] = {
    {"gemma3", "gemma3_text", "{}"},
    {"mistral3", "mistral",
     R"({"hidden_size": 5120, "intermediate_size": 32768, "num_hidden_layers": 40,
       "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "rms_norm_eps": 1e-5,
       "rope_theta": 1e9, "sliding_window": null, "vocab_size": 131072})"},
    {"mllama", "mllama_text_model", "{}"},
};

const Family* find_family(std::string_view model_type) {
  for (const Family* family : kFamilies) {
    if (std::ranges::find(family->model_types, model_type) != family->model_types.end())
      return family;
  }
  return nullptr;
}

/// The decoder's own object: text_config of a wrapper, else the whole; with its model_type filled
/// in.
json decoder_object(const HfConfig& config) {
  const std::string model_type = config.text("model_type", "");
  json object = config.is_object("text_config") ? config.json()["text_config"] : config.json();
  for (const Wrapper& wrapper : kWrappers) {
    if (model_type != wrapper.model_type) continue;
    if (!config.is_object("text_config")) object = json::parse(wrapper.text_defaults);
    if (!object.contains("model_type") || !config.is_object("text_config"))
      object["model_type"] = wrapper.text_model_type;
  }
  if (!object.contains("tie_word_embeddings") && config.is_set("tie_word_embeddings")) {
    object["tie_word_embeddings"] = config.json()["tie_word_embeddings"];
  }
  return object;
}

void fill_defaults(json& object, std::string_view defaults) {
  const json filled = json::parse(defaults);
  for (const auto& [key, value] : filled.items()) {
    const bool missing_rope =
        key == "rope_parameters" && object.contains(key) && object[key].is_null();
    if (!object.contains(key) || missing_rope) object[key] = value;
  }
}

/// The rope object that an override named rope_scaling, rope_parameters or rope_theta changes: one
/// flat object that keeps the checkpoint's theta, or the full-attention entry of a nested one.
void override_rope(json& config, const json& change) {
  json& parameters = config["rope_parameters"];
  if (parameters.is_object() && parameters.contains("full_attention") &&
      !change.contains("full_attention")) {
    parameters["full_attention"].update(change);
    return;
  }
  json merged = json::object();
  if (config.contains("rope_scaling") && config["rope_scaling"].is_object() &&
      !config["rope_scaling"].empty()) {
    merged = config["rope_scaling"];
  } else if (parameters.is_object()) {
    merged = parameters;
  }
  if (!merged.contains("rope_theta") && config.contains("rope_theta"))
    merged["rope_theta"] = config["rope_theta"];
  if (change.is_null()) {
    json plain = json::object();
    if (merged.contains("rope_theta")) plain["rope_theta"] = merged["rope_theta"];
    merged = plain;
  } else {
    merged.update(change);
  }
  config["rope_parameters"] = merged;
  config.erase("rope_scaling");
}

void apply_overrides(json& config, const json& overrides) {
  if (!overrides.is_object()) return;
  for (const auto& [key, value] : overrides.items()) {
    if (key == "text_config") {
      apply_overrides(config, value);
    } else if ((key == "rope_scaling" || key == "rope_parameters") &&
               (value.is_object() || value.is_null())) {
      override_rope(config, value);
    } else if (key == "rope_theta") {
      override_rope(config, {{"rope_theta", value}});
    } else if (value.is_object() && config.contains(key) && config[key].is_object()) {
      config[key].update(value);
    } else {
      config[key] = value;
    }
  }
}

void refuse_quantised(const HfConfig& config) {
  if (!config.is_object("quantization_config")) return;
  throw CheckpointError(
      "{}: quantization_config: quantised checkpoints ({}) are not supported, since their vectors "
      "are not the model's own; use the float16 or bfloat16 checkpoint of this model",
      config.where(), config.json()["quantization_config"].value("quant_method", "unknown method"));
}

}  // namespace

std::vector<std::string> supported_model_types() {
  std::vector<std::string> names;
  for (const Family* family : kFamilies)
    names.insert(names.end(), family->model_types.begin(), family->model_types.end());
  for (const Wrapper& wrapper : kWrappers) names.emplace_back(wrapper.model_type);
  std::ranges::sort(names);
  return names;
}

ModelDescription describe_model(const std::filesystem::path& folder, const json& overrides) {
  const HfConfig whole = HfConfig::open(folder);
  refuse_quantised(whole);
  json object = decoder_object(whole);
  const HfConfig decoder(object,
                         whole.where() + (whole.is_object("text_config") ? ": text_config" : ""));
  ModelDescription description;
  description.model_type = decoder.text("model_type");
  description.family = find_family(description.model_type);
  if (description.family == nullptr) {
    throw CheckpointError("{}: model_type: '{}' is not supported; supported are: {}",
                          decoder.where(), description.model_type,
                          fmt::join(supported_model_types(), ", "));
  }
  if (overrides.is_object() && overrides.contains("model_type"))
    log::warn("model.config_overrides.model_type has no effect: the model stays a {}",
              description.model_type);
  fill_defaults(object, description.family->defaults);
  try {
    description.family->derive(object);
    apply_overrides(object, overrides);
  } catch (const json::exception& error) {
    throw CheckpointError("{}: a value has the wrong type: {}", decoder.where(), error.what());
  }
  description.spec = description.family->spec(HfConfig(object, decoder.where()));
  for (const char* key : {"image_token_id", "image_token_index"}) {
    if (whole.is_set(key) && whole.json()[key].is_number_integer() &&
        whole.integer(key) >= description.spec.vocab) {
      description.spec.token_read_as_0 = whole.integer(key);
    }
  }
  return description;
}

}  // namespace qk::models
