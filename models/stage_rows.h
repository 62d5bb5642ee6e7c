#pragma once
/// What a pass takes from one device to the next, where each has some of the layers.
#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <optional>

#include "models/device_streams.h"

namespace qk::models {

/// The residual of a pass and the normed input of the next layer, in the memory of a device. There
/// is room for two passes: one computes while the next one arrives, and the one before leaves, on
/// streams of their own. Nothing waits on the host, but where a pass is larger than all before it.
class StageRows {
 public:
  /// before: of the device that has the layers below, and must outlive this; null: of the first
  /// device.
  StageRows(at::Device device, int64_t width, at::ScalarType type, StageRows* before);
  ~StageRows();
  StageRows(const StageRows&) = delete;
  StageRows& operator=(const StageRows&) = delete;

  /// For work that is queued from now on: [2, rows, width], the residual and the normed input. On
  /// the first device they are still to be written; elsewhere they are those with which the device
  /// before has ended its part of the pass.
  at::Tensor begin_pass(int64_t rows);
  /// All work of the pass on this device is queued. A pass that ends early need not say so.
  void end_pass();

 private:
  struct Slot {
    at::Tensor memory;  // of all passes so far the largest, in one dimension
    at::Tensor rows;    // what the pass has of it
    Signal used;        // its last use is done
  };
  void make_room(Slot& slot, int64_t values) const;
  Slot& current() { return slots_[passes_ % slots_.size()]; }

  const at::Device device_;
  const int64_t width_;
  const at::ScalarType type_;
  StageRows* const before_;
  std::optional<CopyStreams> streams_;  // from the device before
  std::array<Slot, 2> slots_;
  size_t passes_ = 0;
  bool in_pass_ = false;
};

}  // namespace qk::models
