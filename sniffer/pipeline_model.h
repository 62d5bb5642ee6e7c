#pragma once
/// Names of the config -> folders, devices and types.
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <string>

#include "models/decoder.h"
#include "sniffer/config.h"

namespace qk::sniffer {

at::ScalarType scalar_type(WeightType type);

/// device_map of the config. auto and null: a CUDA device if this build and machine have one, else
/// the CPU. Throws ConfigError when the device isn't there.
at::Device choose_device(const ModelConfig& model);

/// model.dtype, and on a GPU inference.autocast_dtype for the products. As upstream: autocast to
/// float32 is none, and there is none on a CPU.
models::Precision precision_of(const SniffConfig& config, at::Device device);

/// How much goes into one pass.
struct PassBudget {
  int64_t tokens = 0;            ///< of several documents together
  int64_t longest_document = 0;  ///< of one document, by itself
};

/// Of a CPU's pass: some tiles for each thread, so that they end at about the same time.
constexpr int64_t kPassTokensPerThread = 1024;
/// Of a GPU's pass, where memory allows: more makes nothing faster.
constexpr int64_t kGpuPassTokens = 65536;

/// Of a GPU's pass over streamed weights: long enough that a layer arrives while one computes.
constexpr int64_t kStreamedPassTokens = 4 * kGpuPassTokens;

/// Whether the weights of the model's first `layers` layers would leave no room on a GPU for a pass
/// over a document of tokenizer.max_length, and so go through its memory layer by layer.
bool streams_weights(const SniffConfig& config, const models::DecoderSpec& spec, int64_t layers,
                     at::Device device);

/// CPU: some work for every thread. GPU: what its free memory holds, up to where more makes
/// nothing faster.
PassBudget pass_budget(const SniffConfig& config, const models::Decoder& decoder,
                       at::Device device);

/// Gives cached memory back to the device.
void release_device_memory(at::Device device);

/// Everything that decides the rows, for a later run that wants to continue: the config's sections
/// but for output and what only changes speed, and fingerprints of the files of model and
/// tokenizer.
std::map<std::string, std::string> run_identity(const SniffConfig& config,
                                                const std::filesystem::path& model_folder,
                                                const std::filesystem::path& tokenizer_folder);

}  // namespace qk::sniffer
