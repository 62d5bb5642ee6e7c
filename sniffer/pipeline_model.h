#pragma once
/// Names of the config -> folders, devices and types.
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "models/decoder.h"
#include "sniffer/config.h"

namespace qk::sniffer {

at::ScalarType scalar_type(WeightType type);

/// device_map of the config. auto and null: a CUDA device if this build and machine have one, else
/// the CPU. Throws ConfigError when the device isn't there.
at::Device choose_device(const ModelConfig& model);

/// Those that share each document: with inference.parallel: heads all GPUs of the machine, else the
/// one that choose_device gives. Throws ConfigError as it does, and where device_map names one of
/// several GPUs.
std::vector<at::Device> choose_devices(const SniffConfig& config);

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
/// Of a pass for each GPU, where memory allows: more makes nothing faster.
constexpr int64_t kGpuPassTokens = 65536;

/// The same for a pass over streamed weights: long enough that a layer arrives while one computes.
constexpr int64_t kStreamedPassTokens = 4 * kGpuPassTokens;

/// Whether the weights of the model's first `layers` layers would leave no room on one of the GPUs
/// for its part of a pass over a document of tokenizer.max_length, and so go through their memory
/// layer by layer.
bool streams_weights(const SniffConfig& config, const models::DecoderSpec& spec, int64_t layers,
                     const std::vector<at::Device>& devices);

/// CPU: some work for every thread. GPUs: what the free memory of each holds, up to where more
/// makes nothing faster.
PassBudget pass_budget(const SniffConfig& config, const models::Decoder& decoder);

/// Gives cached memory back to all devices of a kind.
void release_device_memory(c10::DeviceType type);

/// Everything that decides the rows, for a later run that wants to continue: the config's sections
/// but for output and what only changes speed, and fingerprints of the files of model and
/// tokenizer.
std::map<std::string, std::string> run_identity(const SniffConfig& config,
                                                const std::filesystem::path& model_folder,
                                                const std::filesystem::path& tokenizer_folder);

}  // namespace qk::sniffer
