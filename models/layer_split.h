#pragma once
/// Which devices have which layers.
#include <cstdint>
#include <vector>

#include "models/decoder_options.h"
#include "models/family.h"

namespace qk::models {

/// Layers up to the last wanted one, without those that don't attend.
std::vector<size_t> attending_layers(const DecoderSpec& spec, size_t computed);

/// Some consecutive ones of these layers for each of `devices` devices, about equal work: the last
/// layer, of which only projections are computed, goes with the one below it. Fewer devices than
/// asked for where there are not as many layers.
std::vector<std::vector<size_t>> split_layers(const std::vector<size_t>& layers, size_t devices);

/// For each of options.devices; with Split::Layers perhaps for fewer.
std::vector<std::vector<size_t>> layers_of_devices(const DecoderSpec& spec,
                                                   const DecoderOptions& options);

}  // namespace qk::models
