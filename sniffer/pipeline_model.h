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

/// Those of one process: with inference.parallel: heads or layers all GPUs of the machine, else the
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

/// Of a pass of some documents, on all GPUs of a process together.
int64_t largest_pass(const models::DecoderOptions& options);

/// Whether one process computes on several GPUs.
inline bool takes_all_gpus(Parallel parallel) {
  return parallel == Parallel::Heads || parallel == Parallel::Layers;
}

/// What tensors may still take on each of some GPUs, in bytes.
int64_t usable_memory(const SniffConfig& config, const std::vector<at::Device>& devices);

/// How a model is laid out on `devices`, GPUs that may take so many bytes each, or the CPU: all
/// weights on each GPU if a pass over a document of tokenizer.max_length fits beside them; else, if
/// GPUs share heads, a part of the weights on each; else they are streamed.
models::DecoderOptions lay_out(const SniffConfig& config, const models::DecoderSpec& spec,
                               const std::vector<models::WantedLayer>& wanted,
                               std::vector<at::Device> devices, int64_t usable);

/// Whether all weights, and a pass as above, fit on one of the GPUs.
bool fits_one_gpu(const SniffConfig& config, const models::DecoderSpec& spec,
                  const std::vector<models::WantedLayer>& wanted, at::Device gpu, int64_t usable);

/// What inference.parallel: auto means for a process that may take so many GPUs: documents if the
/// model fits on one, else heads or layers, whatever fits. Never Auto.
Parallel choose_parallel(const SniffConfig& config, const models::DecoderSpec& spec,
                         const std::vector<models::WantedLayer>& wanted,
                         const std::vector<at::Device>& devices, int64_t usable);

/// "each layer's weights are shared by 4 GPUs", "its layers are shared by 4 GPUs"; empty where
/// every GPU of the process has the whole model.
std::string describe_layout(const models::DecoderOptions& options);

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
