#include "sniffer/pipeline_model.h"

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/Parallel.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "models/layer_split.h"
#include "sniffer/config_print.h"
#include "sniffer/plan_work.h"

namespace qk::sniffer {
namespace {

namespace fs = std::filesystem;

/// Keys that never change a row.
constexpr std::string_view kWithoutEffect[] = {
    "output.",
    "inference.",
    "tokenizer.padding",
    "tokenizer.padding_side",
    "dataset.streaming",
    "model.trust_remote_code",
    "tokenizer.trust_remote_code",
    "model.attn_implementation",
    "model.device_map",
};

bool decides_rows(const std::string& key) {
  return std::ranges::none_of(kWithoutEffect,
                              [&](std::string_view start) { return key.starts_with(start); });
}

/// Files above this are fingerprinted by size and samples: hashing a large model takes longer than
/// starting a run.
constexpr uintmax_t kHashWhole = 64 << 20;
constexpr size_t kSamples = 64, kSampleBytes = 64 << 10;

std::string fingerprint(const fs::path& file) {
  const uintmax_t size = fs::file_size(file);
  if (size <= kHashWhole) return sha256_of_file(file);
  const MappedFile mapped(file);
  const auto bytes = mapped.bytes();
  std::string samples = std::to_string(size);
  for (size_t i = 0; i < kSamples; ++i) {
    const size_t offset = (bytes.size() - kSampleBytes) / (kSamples - 1) * i;
    samples.append(reinterpret_cast<const char*>(bytes.data() + offset), kSampleBytes);
  }
  return fmt::format("samples:{}", sha256(samples));
}

void add_files(std::map<std::string, std::string>& identity, const fs::path& folder,
               const std::string& what, std::initializer_list<std::string_view> endings) {
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const bool wanted =
        std::ranges::any_of(endings, [&](std::string_view end) { return name.ends_with(end); });
    if (wanted && entry.is_regular_file())
      identity[what + " file " + name] = fingerprint(entry.path());
  }
}

/// What tensors may still take on a GPU.
int64_t usable_memory_of(const SniffConfig& config, at::Device device) {
  constexpr double kShare = 0.9;                      // the rest is for the kernels' own workspaces
  constexpr int64_t kContext = 1'000'000'000;         // of the driver and its libraries
  at::globalContext().lazyInitDevice(device.type());  // before that the allocator knows no device
  auto* allocator = c10::getDeviceAllocator(device.type());
  auto free = static_cast<int64_t>(allocator->getMemoryInfo(device.index()).first);
  if (const std::optional<int64_t> limit = config.inference.device_memory_bytes) {
    const int64_t held = allocator->getDeviceStats(device.index()).reserved_bytes[0].current;
    free = std::min(free, *limit - kContext - held);
  }
  return static_cast<int64_t>(kShare * static_cast<double>(std::max<int64_t>(free, 0)));
}

/// Whether a pass over a document of tokenizer.max_length has room beside the weights.
bool fits(const SniffConfig& config, const models::DecoderSpec& spec,
          const models::DecoderOptions& options, int64_t usable) {
  const models::PassMemory pass = models::pass_memory(spec, options);
  const int64_t bytes = pass.fixed_bytes + pass.bytes_per_token * config.tokenizer.max_length;
  return weight_bytes(spec, options) + static_cast<double>(bytes) <= static_cast<double>(usable);
}

}  // namespace

at::ScalarType scalar_type(WeightType type) {
  switch (type) {
    case WeightType::BFloat16:
      return at::kBFloat16;
    case WeightType::Float16:
      return at::kHalf;
    case WeightType::Float32:
      break;
  }
  return at::kFloat;
}

at::Device choose_device(const ModelConfig& model) {
  const std::string wanted = model.device_map.value_or("auto");
  const bool cuda = at::hasCUDA();
  if (wanted == "cpu" || (wanted == "auto" && !cuda)) return at::kCPU;
  if (!cuda) {
    throw ConfigError(
        "model.device_map: '{}', but this machine or this build of sniff-qk has no CUDA device; "
        "use cpu or auto",
        wanted);
  }
  const at::Device device(wanted == "auto" ? "cuda" : wanted);
  return device.has_index() ? device : at::Device(device.type(), 0);
}

std::vector<at::Device> choose_devices(const SniffConfig& config) {
  const at::Device device = choose_device(config.model);
  if (device.is_cpu() || !takes_all_gpus(config.inference.parallel)) return {device};
  const int count = at::accelerator::deviceCount();
  const std::string& wanted = config.model.device_map.value_or("auto");
  if (count > 1 && wanted != "auto" && wanted != "cuda") {
    throw ConfigError(
        "model.device_map: '{}', but inference.parallel: heads and layers take all {} GPUs; set "
        "device_map: auto, and CUDA_VISIBLE_DEVICES to the GPUs that the run may take",
        wanted, count);
  }
  std::vector<at::Device> devices;
  for (int i = 0; i < count; ++i)
    devices.emplace_back(device.type(), static_cast<c10::DeviceIndex>(i));
  return devices;
}

models::Precision precision_of(const SniffConfig& config, at::Device device) {
  const at::ScalarType weights = scalar_type(config.model.dtype);
  const WeightType autocast = config.inference.autocast_dtype;
  if (device.is_cpu() || autocast == WeightType::Float32) return weights;
  return {weights, scalar_type(autocast)};
}

int64_t usable_memory(const SniffConfig& config, const std::vector<at::Device>& devices) {
  int64_t least = std::numeric_limits<int64_t>::max();
  for (const at::Device device : devices) least = std::min(least, usable_memory_of(config, device));
  return least;
}

models::DecoderOptions lay_out(const SniffConfig& config, const models::DecoderSpec& spec,
                               const std::vector<models::WantedLayer>& wanted,
                               std::vector<at::Device> devices, int64_t usable) {
  using models::Split, models::WeightStore;
  models::DecoderOptions options{
      .precision = precision_of(config, devices.front()),
      .devices = std::move(devices),
      .split = config.inference.parallel == Parallel::Layers ? Split::Layers : Split::Heads,
      .before_rotary = config.capture.capture_pre_rope,
      .wanted = wanted};
  options.devices.resize(models::layers_of_devices(spec, options).size(), at::kCPU);
  if (options.devices.front().is_cpu() || fits(config, spec, options, usable)) return options;
  if (options.devices.size() > 1 && options.split == Split::Heads) {
    options.store = WeightStore::Shared;
    if (fits(config, spec, options, usable)) return options;
  }
  options.store = WeightStore::Streamed;
  return options;
}

bool fits_one_gpu(const SniffConfig& config, const models::DecoderSpec& spec,
                  const std::vector<models::WantedLayer>& wanted, at::Device gpu, int64_t usable) {
  const models::DecoderOptions alone{
      .precision = precision_of(config, gpu), .devices = {gpu}, .wanted = wanted};
  return fits(config, spec, alone, usable);
}

Parallel choose_parallel(const SniffConfig& config, const models::DecoderSpec& spec,
                         const std::vector<models::WantedLayer>& wanted,
                         const std::vector<at::Device>& devices, int64_t usable) {
  const auto together = [&](Parallel parallel) {
    SniffConfig tried = config;
    tried.inference.parallel = parallel;
    const models::DecoderOptions options = lay_out(tried, spec, wanted, devices, usable);
    return options.store != models::WeightStore::Streamed;
  };
  if (devices.size() == 1 || fits_one_gpu(config, spec, wanted, devices.front(), usable))
    return Parallel::Documents;
  if (models::can_share_heads(spec, devices.size()) && together(Parallel::Heads))
    return Parallel::Heads;
  return together(Parallel::Layers) ? Parallel::Layers : Parallel::Documents;
}

std::string describe_layout(const models::DecoderOptions& options) {
  const size_t gpus = options.devices.size();
  if (options.store == models::WeightStore::Shared)
    return fmt::format("each layer's weights are shared by {} GPUs", gpus);
  if (options.split == models::Split::Layers && gpus > 1)
    return fmt::format("its layers are shared by {} GPUs", gpus);
  return "";
}

PassBudget pass_budget(const SniffConfig& config, const models::Decoder& decoder) {
  constexpr int64_t kUnlimited = std::numeric_limits<int32_t>::max();
  const models::DecoderOptions& options = decoder.options();
  if (options.devices.front().is_cpu())
    return {kPassTokensPerThread * at::get_num_threads(), kUnlimited};
  const models::PassMemory memory = models::pass_memory(decoder.spec(), options);
  release_device_memory(options.devices.front().type());  // what loading took besides the weights
  const int64_t usable = usable_memory(config, options.devices) - memory.fixed_bytes;
  if (usable < memory.bytes_per_token) {
    throw ConfigError(
        "{} has no room for a pass, which takes {:.1f} GB and more beside the weights: raise "
        "inference.device_memory, or free memory of the GPU",
        options.devices.front().str(), static_cast<double>(memory.fixed_bytes) / 1e9);
  }
  const int64_t fitting = std::min(kUnlimited, usable / memory.bytes_per_token);
  log::debug("device: {} bytes per token, passes of up to {} tokens", memory.bytes_per_token,
             fitting);
  return {std::min(largest_pass(options), fitting / 2), fitting};
}

int64_t largest_pass(const models::DecoderOptions& options) {
  const bool streamed = options.store == models::WeightStore::Streamed;
  const int64_t tokens = streamed ? kStreamedPassTokens : kGpuPassTokens;
  return options.split == models::Split::Heads ? tokens * std::ssize(options.devices) : tokens;
}

void release_device_memory(c10::DeviceType type) {
  if (type != at::kCPU) c10::getDeviceAllocator(type)->emptyCache();
}

std::map<std::string, std::string> run_identity(const SniffConfig& config,
                                                const fs::path& model_folder,
                                                const fs::path& tokenizer_folder) {
  std::map<std::string, std::string> identity;
  SniffConfig copy = config;
  const nlohmann::ordered_json values = plain_value(copy).flatten();
  for (const auto& [pointer, value] : values.items()) {
    std::string key = pointer.substr(1);
    std::ranges::replace(key, '/', '.');
    if (decides_rows(key)) identity[key] = value.dump();
  }
  const at::Device device = choose_device(config.model);
  if (precision_of(config, device).mixed())
    identity["inference.autocast_dtype"] = values.at("/inference/autocast_dtype").dump();
  identity["device"] = device.is_cpu() ? "cpu" : "cuda";
  add_files(identity, model_folder, "model",
            {"config.json", ".safetensors", ".safetensors.index.json"});
  add_files(identity, tokenizer_folder, "tokenizer", {"tokenizer.json", "tokenizer_config.json"});
  if (fs::is_regular_file(config.dataset.path))
    identity["dataset file"] = fingerprint(config.dataset.path);
  return identity;
}

}  // namespace qk::sniffer
