#pragma once
/// Tiny checkpoints with random weights, written as real files.
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

namespace qk::test {

/// config.json of a small model of this family (3 or more layers, 4 query heads, 2 key heads), v5
/// form.
nlohmann::json tiny_config(const std::string& model_type);

struct TinyOptions {
  std::string prefix = "model.";
  std::string dtype = "F32";  ///< as stored: F32, BF16, F16
  /// Called with each tensor's name; false leaves the tensor out.
  std::function<bool(const std::string&)> keep = [](const std::string&) { return true; };
};

/// Writes config.json and model.safetensors with every tensor the family's table names.
/// Deterministic.
std::filesystem::path write_tiny_model(const std::string& name, const nlohmann::json& config,
                                       const TinyOptions& options = {});

}  // namespace qk::test
