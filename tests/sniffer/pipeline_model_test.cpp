#include "sniffer/pipeline_model.h"

#include <gtest/gtest.h>

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
  for (const Parallel parallel : {Parallel::Documents, Parallel::Heads}) {
    SniffConfig config;
    config.model.device_map = "cpu";
    config.inference.parallel = parallel;
    EXPECT_EQ(choose_devices(config), std::vector<at::Device>{at::kCPU});
  }
}

}  // namespace
}  // namespace qk::sniffer
