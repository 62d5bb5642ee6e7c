#include "sniffer/pipeline_model.h"

#include <gtest/gtest.h>

#include "sniffer/plan_work.h"

namespace qk::sniffer {
namespace {

SniffConfig precisions(WeightType weights, WeightType autocast) {
  SniffConfig config;
  config.model.dtype = weights;
  config.inference.autocast_dtype = autocast;
  return config;
}

TEST(PrecisionOf, MixesOnAGpuOnly) {
  const SniffConfig mixed = precisions(WeightType::BFloat16, WeightType::Float16);
  const models::Precision gpu = precision_of(mixed, at::Device(at::kCUDA, 0));
  EXPECT_EQ(gpu.weights, at::kBFloat16);
  EXPECT_EQ(gpu.products, at::kHalf);
  EXPECT_EQ(gpu.stream(), at::kFloat);
  EXPECT_FALSE(precision_of(mixed, at::kCPU).mixed());
}

TEST(PrecisionOf, IsOneTypeWhereAutocastIsTheSameOrFloat32) {
  const at::Device gpu(at::kCUDA, 0);
  for (const WeightType autocast : {WeightType::BFloat16, WeightType::Float32}) {
    const models::Precision precision =
        precision_of(precisions(WeightType::BFloat16, autocast), gpu);
    EXPECT_FALSE(precision.mixed());
    EXPECT_EQ(precision.stream(), at::kBFloat16);
  }
}

TEST(ChooseDevices, IsOneCpuHoweverWorkIsShared) {
  for (const Parallel parallel :
       {Parallel::Auto, Parallel::Documents, Parallel::Heads, Parallel::Layers}) {
    SniffConfig config;
    config.model.device_map = "cpu";
    config.inference.parallel = parallel;
    EXPECT_EQ(choose_devices(config), std::vector<at::Device>{at::kCPU});
  }
}

/// A model of 8 layers of about 32 MiB in bfloat16, on so many GPUs.
class LayOut : public testing::Test {
 protected:
  LayOut() {
    spec_.vocab = 4096, spec_.hidden = 1024, spec_.mlp = 4096;
    spec_.query_heads = 16, spec_.key_heads = 4, spec_.head_dim = 64;
    spec_.layers.resize(9);
    wanted_.resize(9);
    wanted_.back().queries = true;
    config_.model.dtype = config_.inference.autocast_dtype = WeightType::BFloat16;
    config_.tokenizer.max_length = 1000;
  }

  static std::vector<at::Device> gpus(size_t count) {
    return std::vector<at::Device>(count, at::Device(at::kCUDA, 0));
  }

  models::DecoderOptions laid_out(Parallel parallel, size_t count, double usable) {
    config_.inference.parallel = parallel;
    return lay_out(config_, spec_, wanted_, gpus(count), static_cast<int64_t>(usable));
  }

  Parallel chosen(size_t count, double usable) const {
    return choose_parallel(config_, spec_, wanted_, gpus(count), static_cast<int64_t>(usable));
  }

  /// What weights and the longest pass take on each GPU.
  double needed(const models::DecoderOptions& options) const {
    const models::PassMemory pass = models::pass_memory(spec_, options);
    return weight_bytes(spec_, options) + static_cast<double>(pass.fixed_bytes) +
           static_cast<double>(pass.bytes_per_token) * 1000;
  }
  double needed(models::Split split, models::WeightStore store, size_t count) const {
    return needed({.precision = at::kBFloat16,
                   .devices = gpus(count),
                   .split = split,
                   .wanted = wanted_,
                   .store = store});
  }

  models::DecoderSpec spec_;
  std::vector<models::WantedLayer> wanted_;
  SniffConfig config_;
};

using models::Split, models::WeightStore;

TEST_F(LayOut, SharesWeightsWhereAllOfThemWouldLeaveNoRoom) {
  const double whole = needed(Split::Heads, WeightStore::Resident, 4);
  const double shared = needed(Split::Heads, WeightStore::Shared, 4);
  EXPECT_LT(shared, whole);
  EXPECT_EQ(laid_out(Parallel::Heads, 4, whole).store, WeightStore::Resident);
  EXPECT_EQ(laid_out(Parallel::Heads, 4, whole - 1e6).store, WeightStore::Shared);
  EXPECT_EQ(laid_out(Parallel::Heads, 4, shared).store, WeightStore::Shared);
  EXPECT_EQ(laid_out(Parallel::Heads, 4, shared - 1e6).store, WeightStore::Streamed);
  EXPECT_EQ(laid_out(Parallel::Documents, 1, shared).store, WeightStore::Streamed);
}

TEST_F(LayOut, SplitsLayersOverAsManyGpusAsThereAreLayers) {
  const double split = needed(Split::Layers, WeightStore::Resident, 4);
  const models::DecoderOptions four = laid_out(Parallel::Layers, 4, split);
  EXPECT_EQ(four.split, Split::Layers);
  EXPECT_EQ(four.store, WeightStore::Resident);
  EXPECT_EQ(describe_layout(four), "its layers are shared by 4 GPUs");
  EXPECT_EQ(laid_out(Parallel::Layers, 4, split - 1e6).store, WeightStore::Streamed);
  EXPECT_EQ(laid_out(Parallel::Layers, 20, split).devices.size(), 8u);
}

TEST_F(LayOut, ChoosesDocumentsAsLongAsOneGpuHoldsTheModel) {
  const double one = needed(Split::Heads, WeightStore::Resident, 1);
  EXPECT_EQ(chosen(4, one), Parallel::Documents);
  EXPECT_EQ(chosen(4, one - 1e6), Parallel::Heads);
  EXPECT_EQ(chosen(1, one - 1e6), Parallel::Documents);
  EXPECT_EQ(chosen(4, 1e6), Parallel::Documents);
}

TEST_F(LayOut, ChoosesLayersWhereHeadsDontDivideOrTheirSharesDontFit) {
  const double one = needed(Split::Heads, WeightStore::Resident, 1);
  EXPECT_EQ(chosen(3, one - 1e6), Parallel::Layers);
  const double layers = needed(Split::Layers, WeightStore::Resident, 4);
  ASSERT_LT(layers, needed(Split::Heads, WeightStore::Shared, 4));
  EXPECT_EQ(chosen(4, layers), Parallel::Layers);
}

}  // namespace
}  // namespace qk::sniffer
