// Layers put together from their parts on several devices: the bytes of the files, and less memory.
#include "models/shared_layers.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "models/loader.h"
#include "tests/models/recorder.h"
#include "tests/models/tiny_model.h"

namespace qk::models {
namespace {

class SharedWeights : public testing::Test {
 protected:
  static std::filesystem::path write() {
    auto config = test::tiny_config("qwen2");
    config["num_hidden_layers"] = 5;
    return test::write_tiny_model("shared_layers", config);
  }

  std::vector<DecoderWeights> load(WeightStore store, size_t devices) const {
    DecoderOptions options{.wanted = test::everything(model_), .store = store};
    options.devices.assign(devices, at::kCPU);
    return load_weights(folder_, model_, options);
  }

  static void expect_same(const LayerTensors& got, const LayerTensors& expected) {
    for (size_t role = 0; role < kRoles; ++role) {
      const at::Tensor &a = got.tensors[role], &b = expected.tensors[role];
      ASSERT_EQ(a.defined(), b.defined()) << "role " << role;
      EXPECT_TRUE(!a.defined() || at::equal(a, b)) << "role " << role;
    }
  }

  const c10::InferenceMode inference_;
  const std::filesystem::path folder_ = write();
  const ModelDescription model_ = describe_model(folder_, nullptr);
};

TEST_F(SharedWeights, AreThoseOfTheFilesInEveryPass) {
  const auto one = load(WeightStore::Resident, 1);
  for (const size_t devices : {1, 2, 3, 7}) {
    const SCOPED_TRACE(std::to_string(devices) + " devices");
    const auto several = load(WeightStore::Shared, devices);
    for (int pass = 0; pass < 3; ++pass) {
      for (const DecoderWeights& weights : several) weights.layers->begin_pass();
      for (size_t layer = 0; layer < 5; ++layer) {
        for (const DecoderWeights& weights : several) {
          const LayerTensors& got = weights.layers->use(layer);
          if (layer > 0) weights.layers->release(layer - 1);
          expect_same(got, one[0].layers->use(layer));
        }
      }
    }
  }
}

TEST_F(SharedWeights, StayWhileTheNextLayerIsUsed) {
  const auto one = load(WeightStore::Resident, 1), several = load(WeightStore::Shared, 2);
  for (const DecoderWeights& weights : several) {
    weights.layers->begin_pass();
    const LayerTensors& first = weights.layers->use(0);
    weights.layers->use(1);
    expect_same(first, one[0].layers->use(0));
  }
}

TEST_F(SharedWeights, BeginAnewAfterAPassThatEndedEarly) {
  const auto one = load(WeightStore::Resident, 1), several = load(WeightStore::Shared, 2);
  for (const size_t used : {1, 2, 4}) {
    several[0].layers->begin_pass();
    for (size_t layer = 0; layer < used; ++layer) {
      several[0].layers->use(layer);
      if (layer > 0) several[0].layers->release(layer - 1);
    }
    several[0].layers->begin_pass();
    expect_same(several[0].layers->use(0), one[0].layers->use(0));
  }
}

TEST(LayerShares, TogetherHaveEachByteOnce) {
  LayerLayout::Source source;
  std::vector<float> values(1000);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  source.view.dtype = checkpoint::DType::F32;
  source.view.shape = {1000};
  source.view.data = reinterpret_cast<const std::byte*>(values.data());
  source.view.bytes = 4000;
  std::vector<LayerLayout> layouts;
  layouts.emplace_back(std::vector{source}, /*joined=*/false);
  for (const size_t devices : {1, 3, 20}) {
    const LayerShares shares(layouts, at::kFloat, std::vector<at::Device>(devices, at::kCPU));
    int64_t bytes = 0;
    for (size_t d = 0; d < devices; ++d) {
      const auto& [own, begin] = shares.at(d, 0);
      EXPECT_EQ(begin, bytes);
      EXPECT_LE(own.numel(), (4000 / static_cast<int64_t>(devices) + 512));
      bytes += own.numel();
      if (own.numel() == 0) continue;
      EXPECT_EQ(own.view(at::kFloat)[0].item<float>(), static_cast<float>(begin) / 4);
    }
    EXPECT_EQ(bytes, 4000);
  }
}

}  // namespace
}  // namespace qk::models
