// Which device has which layers.
#include "models/layer_split.h"

#include <gtest/gtest.h>

namespace qk::models {
namespace {

using Layers = std::vector<std::vector<size_t>>;

TEST(SplitLayers, GivesEveryDeviceAboutAsManyAndTheLastOneTheLastLayerToo) {
  EXPECT_EQ(split_layers({0, 1, 2, 3, 4}, 2), (Layers{{0, 1}, {2, 3, 4}}));
  EXPECT_EQ(split_layers({0, 1, 2, 3, 4, 5}, 2), (Layers{{0, 1}, {2, 3, 4, 5}}));
  EXPECT_EQ(split_layers({0, 2, 5, 7}, 3), (Layers{{0}, {2}, {5, 7}}));
}

TEST(SplitLayers, LeavesDevicesOutWhereThereAreFewLayers) {
  EXPECT_EQ(split_layers({0, 1, 2}, 8), (Layers{{0}, {1, 2}}));
  EXPECT_EQ(split_layers({3}, 2), (Layers{{3}}));
}

TEST(LayersOfDevices, AreThoseThatAttendUpToTheLastWantedOne) {
  DecoderSpec spec;
  spec.layers.resize(7);
  spec.layers[1].attention = false;
  DecoderOptions options{.devices = {at::kCPU, at::kCPU}, .wanted = std::vector<WantedLayer>(7)};
  options.wanted[4].queries = true;
  EXPECT_EQ(layers_of_devices(spec, options), (Layers{{0, 2, 3, 4}, {0, 2, 3, 4}}));
  options.split = Split::Layers;
  EXPECT_EQ(layers_of_devices(spec, options), (Layers{{0}, {2, 3, 4}}));
}

}  // namespace
}  // namespace qk::models
