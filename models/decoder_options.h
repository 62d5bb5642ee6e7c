#pragma once
/// How a model is loaded and what a pass over it shows.
#include <c10/core/Device.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "models/attention_tap.h"
#include "models/precision.h"

namespace qk::models {

/// Where the weights of the layers are while passes use them.
enum class WeightStore {
  Resident,  ///< in the memory of every device that computes with them
  Shared,    ///< a part of each layer on every device, the whole of a few at a time
  Streamed,  ///< in the mapped files; they go through the device's memory a few layers at a time
};

/// What each of several devices does.
enum class Split {
  Heads,   ///< in every layer: some rows, and in attention some heads
  Layers,  ///< everything in some consecutive layers, each pass after the other
};

struct DecoderOptions {
  Precision precision = at::kFloat;
  /// All of one kind; a device may be named more than once. Where several split heads, the model's
  /// key heads must divide by their number.
  std::vector<at::Device> devices = {at::kCPU};
  Split split = Split::Heads;
  bool before_rotary = false;  ///< the tap gets the vectors right before the rotary embedding, else
                               ///< those given to attention
  std::vector<WantedLayer> wanted;            ///< one per layer of the model
  WeightStore store = WeightStore::Resident;  ///< Shared: with Split::Heads
  std::optional<int64_t> tile_rows = {};      ///< of a GPU's products; nullopt: by the model's size
  /// For benchmarks of deep models: the checkpoint has this many layers, over and over.
  std::optional<int64_t> stored_layers = {};
};

}  // namespace qk::models
