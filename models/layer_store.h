#pragma once
/// Where a pass finds the weights of its layers.
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "models/device_streams.h"
#include "models/layer_memory.h"

namespace qk::models {

/// Layers that a pass uses one after another, from the first to the last.
class LayerStore {
 public:
  virtual ~LayerStore() = default;

  /// Before the first layer of a pass; the pass before it may have ended early.
  virtual void begin_pass() {}
  /// The layer's weights, for work that is queued from now on, until release().
  virtual const LayerTensors& use(size_t layer) = 0;
  /// All work that reads the layer is queued.
  virtual void release(size_t) {}
};

/// All layers stay in memory.
class ResidentLayers final : public LayerStore {
 public:
  explicit ResidentLayers(std::vector<LayerTensors> layers) : layers_(std::move(layers)) {}
  const LayerTensors& use(size_t layer) override { return layers_[layer]; }

 private:
  std::vector<LayerTensors> layers_;
};

/// Layers that are brought to the device one after another, through all passes: after the last one
/// comes the first, for the next pass.
class RotatingLayers : public LayerStore {
 public:
  void begin_pass() final;
  /// In the order of `layers`.
  const LayerTensors& use(size_t layer) final;
  void release(size_t layer) final;

 protected:
  /// Of all layers of the model those with a layout, ascending.
  explicit RotatingLayers(std::vector<size_t> layers);

  virtual const LayerTensors& use_next() = 0;  ///< raises used_
  virtual void release_oldest() = 0;           ///< raises released_

  const std::vector<size_t> layers_;
  size_t used_ = 0, released_ = 0;  // layers, numbered through all passes
};

/// A few layers at a time in the device's memory. While one computes, a thread reads the next from
/// the mapped file into pinned memory, and the copy to the device runs beside the computation;
/// after the last layer it goes on with the first, for the next pass.
class StreamedLayers final : public RotatingLayers {
 public:
  /// In computation, done with but still read by it, and on its way.
  static constexpr size_t kOnDevice = 3;

  /// Of all layers of the model those with a layout, `layers` ascending. The mapped files must
  /// outlive this.
  StreamedLayers(std::vector<size_t> layers, std::vector<LayerLayout> layouts,
                 const Precision& precision, at::Device device);
  ~StreamedLayers() override;

 private:
  struct Slot {
    at::Tensor memory;
    LayerTensors tensors;
    Signal uploaded, released;
  };
  struct Staging {
    at::Tensor memory;  // pinned
    Signal copied;
  };

  void read_layers();
  void read(size_t number);
  const LayerTensors& use_next() override;  ///< rethrows what reading has thrown
  void release_oldest() override;
  Slot& slot(size_t number) { return slots_[number % slots_.size()]; }

  const std::vector<LayerLayout> layouts_;
  const Precision precision_;
  const at::Device device_;
  std::vector<Slot> slots_;
  std::vector<Staging> staging_;  // none on a CPU
  const c10::Stream copies_;

  std::mutex mutex_;  // guards used_, released_ and everything below
  std::condition_variable changed_;
  size_t read_ = 0;  // layers, as used_
  bool stopping_ = false;
  std::exception_ptr error_;
  std::thread reader_;
};

}  // namespace qk::models
