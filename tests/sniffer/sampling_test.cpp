// tests/data/primitives.json: seeds, masks, permutations, head choices and example ids as the
// Python tool that this project re-creates computes them with torch 2.11.
#include "sniffer/sampling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

namespace qk::sniffer {
namespace {

using nlohmann::json;
using testing::ElementsAre;

const json& primitives() {
  static const json all = json::parse(std::ifstream(QK_SOURCE_DIR "/tests/data/primitives.json"));
  return all;
}

char kind_of(const json& entry) { return entry.at("kind").get<std::string>().at(0); }

SamplerType type_of(const json& entry) {
  const auto name = entry.at("type").get<std::string>();
  if (name == "all") return SamplerType::All;
  return name == "uniform" ? SamplerType::Uniform : SamplerType::LogUniform;
}

PositionSampler sampler_of(SamplerType type, double base_rate, int64_t min_bucket_size,
                           std::optional<int64_t> max_rows = std::nullopt) {
  return PositionSampler({.type = type, .base_rate = base_rate}, min_bucket_size, max_rows);
}

TEST(BatchSeed, EqualsReference) {
  ASSERT_EQ(primitives().at("seeds").size(), 24);
  for (const json& entry : primitives().at("seeds")) {
    const uint64_t seed = batch_seed(entry.at("example_id"), entry.at("layer"), kind_of(entry));
    EXPECT_EQ(std::to_string(seed), entry.at("batch_seed").get<std::string>()) << entry;
  }
}

TEST(PositionSampler, EqualsReference) {
  ASSERT_EQ(primitives().at("samplers").size(), 40);
  for (const json& entry : primitives().at("samplers")) {
    SCOPED_TRACE(entry.dump().substr(0, 200));
    const PositionSampler sampler =
        sampler_of(type_of(entry), entry.at("base_rate"), entry.at("min_bucket_size"));
    std::vector<int32_t> kept =
        sampler.select(entry.at("example_id"), entry.at("layer"), kind_of(entry), 0, entry.at("n"));
    EXPECT_EQ(kept.size(), entry.at("count"));
    const auto expected = entry.at("positions").get<std::vector<int32_t>>();
    ASSERT_GE(kept.size(), expected.size());
    kept.resize(expected.size());
    EXPECT_EQ(kept, expected);
    std::vector<int32_t> buckets;
    for (const int32_t position : kept) buckets.push_back(sampler.bucket(position));
    EXPECT_EQ(buckets, entry.at("buckets").get<std::vector<int32_t>>());
  }
}

TEST(TorchRandperm, EqualsReference) {
  ASSERT_EQ(primitives().at("randperm").size(), 12);
  for (const json& entry : primitives().at("randperm")) {
    const uint64_t seed = std::stoull(entry.at("seed").get<std::string>());
    std::vector<int64_t> permutation = torch_randperm(seed, entry.at("n"));
    ASSERT_EQ(permutation.size(), entry.at("n"));
    EXPECT_EQ(std::set(permutation.begin(), permutation.end()).size(), permutation.size());
    const auto first = entry.at("first").get<std::vector<int64_t>>();
    permutation.resize(first.size());
    EXPECT_EQ(permutation, first) << entry.at("seed");
  }
}

TEST(TorchRandperm, OfNothingAndOfOne) {
  EXPECT_TRUE(torch_randperm(1, 0).empty());
  EXPECT_THAT(torch_randperm(1, 1), ElementsAre(0));
}

TEST(TorchUniforms, EqualTorchRand) {  // torch.manual_seed(0); torch.rand(4)
  EXPECT_THAT(torch_uniforms(0, 4),
              ElementsAre(0x1.fc2abp-2f, 0x1.89545ep-1f, 0x1.6a675p-4f, 0x1.0e66p-3f));
}

TEST(TorchUniforms, TakeOnlyLowHalfOfSeed) {
  EXPECT_EQ(torch_uniforms(0xFFFFFFFF'00000007, 1000), torch_uniforms(7, 1000));
}

// The definition, one uniform and one probability per position.
std::vector<int32_t> kept_by_definition(const PositionSampler& sampler, int64_t example_id,
                                        int64_t length) {
  const std::vector<float> uniforms = torch_uniforms(batch_seed(example_id, 5, 'q'), length);
  std::vector<int32_t> kept;
  for (int32_t p = 0; p < length; ++p) {
    if (uniforms[p] < sampler.probability(p)) kept.push_back(p);
  }
  return kept;
}

TEST(PositionSampler, KeepsWhereUniformIsBelowProbability) {
  for (const SamplerType type : {SamplerType::LogUniform, SamplerType::Uniform, SamplerType::All}) {
    for (const double base_rate : {1e-9, 0.3, 1.0, 7.0, 1e4}) {
      for (const int64_t width : {1, 3, 100, 8192}) {
        const PositionSampler sampler = sampler_of(type, base_rate, width);
        for (const int64_t length : {0, 1, 2, 700, 20000}) {
          EXPECT_EQ(sampler.select(11, 5, 'q', 0, length), kept_by_definition(sampler, 11, length))
              << static_cast<int>(type) << ' ' << base_rate << ' ' << width << ' ' << length;
        }
      }
    }
  }
}

TEST(PositionSampler, DrawsAnewForEveryExampleLayerAndKind) {
  const PositionSampler sampler = sampler_of(SamplerType::Uniform, 1.0, 4);
  const auto kept = sampler.select(1, 2, 'q', 0, 400);
  EXPECT_NE(kept, sampler.select(2, 2, 'q', 0, 400));
  EXPECT_NE(kept, sampler.select(1, 3, 'q', 0, 400));
  EXPECT_NE(kept, sampler.select(1, 2, 'k', 0, 400));
  EXPECT_EQ(kept, sampler.select(1, 2, 'q', 9, 400));
}

TEST(PositionSampler, LogUniformRoundsWidthUpToPowerOfTwo) {
  const PositionSampler sampler = sampler_of(SamplerType::LogUniform, 2.0, 100);
  EXPECT_EQ(sampler.bucket(0), 7);
  EXPECT_EQ(sampler.bucket(254), 7);
  EXPECT_EQ(sampler.bucket(255), 8);
  EXPECT_EQ(sampler.probability(0), 2.0f / 128);
  EXPECT_EQ(sampler.probability(255), 2.0f / 256);
  EXPECT_EQ(sampler_of(SamplerType::LogUniform, 1.0, 128).bucket(0), 7);
  EXPECT_EQ(sampler_of(SamplerType::LogUniform, 1.0, 129).bucket(0), 8);
  EXPECT_EQ(sampler_of(SamplerType::LogUniform, 1.0, 1).bucket(0), 0);
}

TEST(PositionSampler, LogUniformBucketsBeginAtPowersOfTwoUpToAMillion) {
  const PositionSampler sampler = sampler_of(SamplerType::LogUniform, 1.0, 1);
  for (int32_t power = 1; power <= 20; ++power) {
    const int64_t first = (1 << power) - 1;
    EXPECT_EQ(sampler.bucket(first - 1), power - 1);
    EXPECT_EQ(sampler.bucket(first), power);
  }
}

// torch.floor(torch.log2(torch.arange(1, 2**25).float())) changes at these numbers.
TEST(PositionSampler, LogUniformBucketsBeginEarlyFromTwoMillion) {
  const PositionSampler sampler = sampler_of(SamplerType::LogUniform, 1.0, 1);
  for (const auto& [power, number] :
       {std::pair{21, 2097151}, {22, 4194302}, {23, 8388603}, {24, 16777205}}) {
    EXPECT_EQ(sampler.bucket(number - 2), power - 1);
    EXPECT_EQ(sampler.bucket(number - 1), power);
  }
}

TEST(PositionSampler, ProbabilityNeverExceedsOne) {
  EXPECT_EQ(sampler_of(SamplerType::LogUniform, 1e6, 1).probability(3), 1.0f);
  EXPECT_EQ(sampler_of(SamplerType::Uniform, 1e6, 1).probability(3), 1.0f);
  EXPECT_EQ(sampler_of(SamplerType::Uniform, 1.0, 3).probability(3), 1.0f / 3.0f);
}

TEST(PositionSampler, CutTakesFirstRowsOfPermutation) {
  constexpr int64_t kExample = -3, kLayer = 70000, kFirstHead = 5, kRows = 10;
  const PositionSampler all = sampler_of(SamplerType::Uniform, 1.0, 2);
  const PositionSampler cut = sampler_of(SamplerType::Uniform, 1.0, 2, kRows);
  const auto kept = all.select(kExample, kLayer, 'k', kFirstHead, 300);
  ASSERT_GT(kept.size(), kRows);
  // Of the seed of the cut only the low 32 bits, layer and first head, reach the generator.
  const uint64_t seed = (kLayer & 0xFFFF) ^ (kFirstHead << 16);
  const auto order = torch_randperm(seed, static_cast<int64_t>(kept.size()));
  std::vector<int32_t> expected;
  for (int64_t i = 0; i < kRows; ++i) expected.push_back(kept[order[i]]);
  EXPECT_EQ(cut.select(kExample, kLayer, 'k', kFirstHead, 300), expected);
}

TEST(PositionSampler, CutLeavesShortDocumentsInOrder) {
  const PositionSampler sampler = sampler_of(SamplerType::All, 1.0, 2, 3);
  EXPECT_THAT(sampler.select(0, 0, 'q', 0, 3), ElementsAre(0, 1, 2));
  EXPECT_THAT(sampler.select(0, 0, 'q', 0, 2), ElementsAre(0, 1));
  EXPECT_EQ(sampler.select(0, 0, 'q', 0, 4).size(), 3);
}

}  // namespace
}  // namespace qk::sniffer
