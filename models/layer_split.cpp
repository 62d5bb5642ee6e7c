#include "models/layer_split.h"

#include <algorithm>

namespace qk::models {

std::vector<size_t> attending_layers(const DecoderSpec& spec, size_t computed) {
  std::vector<size_t> layers;
  for (size_t i = 0; i < computed; ++i)
    if (spec.layers[i].attention) layers.push_back(i);
  return layers;
}

std::vector<std::vector<size_t>> split_layers(const std::vector<size_t>& layers, size_t devices) {
  const size_t whole = std::max<size_t>(layers.size() - 1, 1);
  const size_t count = std::min(devices, whole);
  std::vector<std::vector<size_t>> split;
  for (size_t d = 0; d < count; ++d) {
    const size_t end = d + 1 == count ? layers.size() : whole * (d + 1) / count;
    split.emplace_back(layers.begin() + static_cast<std::ptrdiff_t>(whole * d / count),
                       layers.begin() + static_cast<std::ptrdiff_t>(end));
  }
  return split;
}

std::vector<std::vector<size_t>> layers_of_devices(const DecoderSpec& spec,
                                                   const DecoderOptions& options) {
  const std::vector<size_t> all = attending_layers(spec, computed_layers(options.wanted));
  if (options.split == Split::Layers) return split_layers(all, options.devices.size());
  return std::vector(options.devices.size(), all);
}

}  // namespace qk::models
