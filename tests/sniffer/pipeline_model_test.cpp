#include "sniffer/pipeline_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace qk::sniffer {
namespace {

SniffConfig precisions(WeightType weights, WeightType autocast) {
  SniffConfig config;
  config.model.dtype = weights;
  config.inference.autocast_dtype = autocast;
  return config;
}

TEST(CheckAutocast, RefusesMixedPrecisionsOnAGpuOnly) {
  const SniffConfig mixed = precisions(WeightType::BFloat16, WeightType::Float16);
  EXPECT_THROW(check_autocast(mixed, at::Device(at::kCUDA, 0)), ConfigError);
  EXPECT_NO_THROW(check_autocast(mixed, at::kCPU));
}

TEST(CheckAutocast, TakesEqualTypesAndNoAutocast) {
  const at::Device gpu(at::kCUDA, 0);
  EXPECT_NO_THROW(check_autocast(precisions(WeightType::BFloat16, WeightType::BFloat16), gpu));
  EXPECT_NO_THROW(check_autocast(precisions(WeightType::BFloat16, WeightType::Float32), gpu));
}

}  // namespace
}  // namespace qk::sniffer
