#pragma once
/// How busy and how full the first NVIDIA GPU is, from the driver's own library, where there is
/// one.
#include <cstdint>
#include <optional>

namespace qk::sniffer {

struct GpuUse {
  double share = 0;  ///< of the last moments in which the GPU computed, 0..1
  int64_t used_bytes = 0, total_bytes = 0;
};

class GpuMeter {
 public:
  GpuMeter();
  GpuMeter(const GpuMeter&) = delete;
  GpuMeter& operator=(const GpuMeter&) = delete;
  ~GpuMeter();

  /// nullopt: no NVIDIA GPU or no driver library.
  std::optional<GpuUse> read() const;

 private:
  void* library_ = nullptr;
  void* device_ = nullptr;
};

}  // namespace qk::sniffer
