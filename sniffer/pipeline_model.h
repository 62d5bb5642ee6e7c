#pragma once
/// Names of the config -> folders, devices and types.
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <string>

#include "sniffer/config.h"

namespace qk::sniffer {

at::ScalarType scalar_type(WeightType type);

/// device_map of the config. auto and null: a CUDA device if this build and machine have one, else
/// the CPU. Throws ConfigError when the device isn't there.
at::Device choose_device(const ModelConfig& model);

/// Everything that decides the rows, for a later run that wants to continue: the config's sections
/// but for output and what only changes speed, and fingerprints of the files of model and
/// tokenizer.
std::map<std::string, std::string> run_identity(const SniffConfig& config,
                                                const std::filesystem::path& model_folder,
                                                const std::filesystem::path& tokenizer_folder);

}  // namespace qk::sniffer
