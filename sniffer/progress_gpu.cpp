#include "sniffer/progress_gpu.h"

#include <dlfcn.h>

namespace qk::sniffer {
namespace {

// Of NVML's stable C interface (nvml.h); every function returns 0 on success.
struct NvmlUtilization {
  unsigned gpu, memory;  // percent
};
struct NvmlMemory {
  unsigned long long total, free, used;
};

template <typename... Arguments>
bool call(void* library, const char* name, Arguments... arguments) {
  const auto function = reinterpret_cast<int (*)(Arguments...)>(::dlsym(library, name));
  return function != nullptr && function(arguments...) == 0;
}

}  // namespace

GpuMeter::GpuMeter() : library_(::dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL)) {
  if (library_ == nullptr) return;
  if (!call(library_, "nvmlInit_v2") ||
      !call(library_, "nvmlDeviceGetHandleByIndex_v2", 0u, &device_)) {
    device_ = nullptr;
  }
}

GpuMeter::~GpuMeter() {
  if (library_ == nullptr) return;
  if (device_ != nullptr) call(library_, "nvmlShutdown");
  ::dlclose(library_);
}

std::optional<GpuUse> GpuMeter::read() const {
  NvmlUtilization use{};
  NvmlMemory memory{};
  if (device_ == nullptr || !call(library_, "nvmlDeviceGetUtilizationRates", device_, &use) ||
      !call(library_, "nvmlDeviceGetMemoryInfo", device_, &memory)) {
    return std::nullopt;
  }
  return GpuUse{.share = use.gpu / 100.0,
                .used_bytes = static_cast<int64_t>(memory.used),
                .total_bytes = static_cast<int64_t>(memory.total)};
}

}  // namespace qk::sniffer
