#pragma once
/// Weights that the devices of a host hold together: each has a part of every layer.
#include <memory>
#include <vector>

#include "models/device_streams.h"
#include "models/layer_store.h"

namespace qk::models {

/// The bytes of each layer, cut into as many ranges as there are devices.
class LayerShares {
 public:
  /// Reads all layers from the mapped files.
  LayerShares(std::vector<LayerLayout> layouts, const Precision& precision,
              std::vector<at::Device> devices);

  struct Share {
    at::Tensor bytes;   ///< may be empty
    int64_t begin = 0;  ///< in the layer's memory
  };
  /// What device number `part` holds of layer number `number` of the layouts.
  const Share& at(size_t part, size_t number) const { return shares_[part][number]; }

  const std::vector<LayerLayout>& layouts() const { return layouts_; }
  const std::vector<at::Device>& devices() const { return devices_; }

 private:
  const std::vector<LayerLayout> layouts_;
  const std::vector<at::Device> devices_;
  std::vector<std::vector<Share>> shares_;  // by device and layer
};

/// Puts layers together on one of the devices, a few at a time, from the shares of all. While one
/// computes, the next one is copied; after the last layer it goes on with the first, for the next
/// pass. Everything is queued on the devices' streams by the calling thread, which never waits.
class SharedLayers final : public RotatingLayers {
 public:
  /// In computation, done with but still read by it, and on its way.
  static constexpr size_t kOnDevice = 3;

  /// Of all layers of the model those with a layout, `layers` ascending; for device number `part`.
  SharedLayers(std::vector<size_t> layers, std::shared_ptr<const LayerShares> shares, size_t part);
  ~SharedLayers() override;

 private:
  struct Slot {
    at::Tensor memory;
    LayerTensors tensors;
    std::vector<Signal> arrived;  // by device that has a share
    Signal released;
  };

  void fetch(size_t number);
  const LayerTensors& use_next() override;  ///< at most two layers at a time
  void release_oldest() override;
  Slot& slot(size_t number) { return slots_[number % slots_.size()]; }

  const std::shared_ptr<const LayerShares> shares_;
  const size_t part_;
  const at::Device device_;
  std::vector<Slot> slots_;
  std::vector<CopyStreams> streams_;  // by device that has a share
};

}  // namespace qk::models
