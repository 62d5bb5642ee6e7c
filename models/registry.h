#pragma once
/// config.json (and the run's config_overrides) -> what the decoder has to do.
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "models/family.h"

namespace qk::models {

struct ModelDescription {
  const Family* family = nullptr;
  std::string model_type;  ///< of the decoder's own config object
  DecoderSpec spec;
};

/// Reads <folder>/config.json. overrides: object or null, laid over the decoder's own config object
/// after the class defaults and derived fields (head_dim, layer_types, ...) are filled in, as
/// Transformers does it; maps merge one level deep. Where this differs from the reference:
/// overrides reach the text part of multimodal checkpoints too. Throws CheckpointError: no
/// config.json, unknown family (lists those there are), quantised weights, bad values.
ModelDescription describe_model(const std::filesystem::path& folder,
                                const nlohmann::json& overrides);

/// model_type of every supported checkpoint, wrappers included, sorted.
std::vector<std::string> supported_model_types();

}  // namespace qk::models
