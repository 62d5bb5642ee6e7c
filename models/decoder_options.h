#pragma once
/// How a model is loaded and what a pass over it shows.
#include <c10/core/Device.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "models/attention_tap.h"
#include "models/precision.h"

namespace qk::models {

struct DecoderOptions {
  Precision precision = at::kFloat;
  /// One for each part of a pass, all of one kind; a device may be named more than once. With
  /// several the model's key heads must divide by their number.
  std::vector<at::Device> devices = {at::kCPU};
  bool before_rotary = false;  ///< the tap gets the vectors right before the rotary embedding, else
                               ///< those given to attention
  std::vector<WantedLayer> wanted;  ///< one per layer of the model
  bool streamed = false;  ///< weights stay in the mapped file and pass through the device's memory
                          ///< layer by layer
  std::optional<int64_t> tile_rows = {};  ///< of a GPU's products; nullopt: by the model's size
  /// For benchmarks of deep models: the checkpoint has this many layers, over and over.
  std::optional<int64_t> stored_layers = {};
};

}  // namespace qk::models
