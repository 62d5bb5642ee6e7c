// The decoder on a GPU: the same bits however documents are packed, and the CPU's vectors.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <map>

#include "models/decoder.h"
#include "tests/models/tiny_model.h"

namespace qk::models {
namespace {

class Recorder : public AttentionTap {
 public:
  void take(int64_t layer, Kind kind, const at::Tensor& vectors) override {
    seen[{layer, static_cast<char>(kind)}] =
        vectors.to(at::kCPU, vectors.scalar_type(), /*non_blocking=*/false, /*copy=*/true);
  }
  std::map<std::pair<int64_t, char>, at::Tensor> seen;
};

std::vector<int32_t> some_ids(int64_t count, int32_t seed) {
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < count; ++i)
    ids.push_back(static_cast<int32_t>((seed * 31 + i * i * 7 + i) % 64));
  return ids;
}

Recorder run(Decoder& decoder, const std::vector<std::vector<int32_t>>& documents) {
  PackedTokens tokens;
  for (const auto& ids : documents) {
    tokens.ids.insert(tokens.ids.end(), ids.begin(), ids.end());
    tokens.offsets.push_back(static_cast<int64_t>(tokens.ids.size()));
  }
  Recorder recorder;
  decoder.prefill(tokens, recorder);
  return recorder;
}

class DeviceDecoder : public testing::TestWithParam<std::tuple<std::string, at::ScalarType>> {
 protected:
  Decoder load(at::Device device, bool streamed = false) const {
    return load(device, streamed, std::get<1>(GetParam()));
  }

  Decoder load(at::Device device, bool streamed, const Precision& precision) const {
    const auto& [model_type, dtype] = GetParam();
    const auto folder = test::write_tiny_model(model_type + "_" + c10::toString(dtype),
                                               test::tiny_config(model_type));
    ModelDescription model = describe_model(folder, nullptr);
    std::vector<WantedLayer> wanted;
    for (const Layer& layer : model.spec.layers)
      wanted.push_back({layer.attention, layer.attention});
    return Decoder::load(
        folder, std::move(model),
        {.precision = precision, .device = device, .wanted = wanted, .streamed = streamed});
  }
};

TEST_P(DeviceDecoder, GivesADocumentTheSameBitsHoweverItIsPacked) {
  Decoder decoder = load({at::kCUDA, 0});
  const auto document = some_ids(1300, 5);
  const Recorder alone = run(decoder, {document});
  ASSERT_FALSE(alone.seen.empty());
  const Recorder together = run(decoder, {some_ids(41, 1), document, {}, some_ids(2600, 2)});
  for (const auto& [key, vectors] : alone.seen) {
    EXPECT_TRUE(at::equal(together.seen.at(key).narrow(0, 41, 1300), vectors))
        << key.first << key.second;
  }
}

TEST_P(DeviceDecoder, GivesTheCpusVectors) {
  Decoder device = load({at::kCUDA, 0}), cpu = load(at::kCPU);
  const std::vector<std::vector<int32_t>> documents = {some_ids(700, 3), some_ids(1100, 4)};
  const Recorder got = run(device, documents), expected = run(cpu, documents);
  ASSERT_EQ(got.seen.size(), expected.seen.size());
  const double tolerance = std::get<1>(GetParam()) == at::kFloat ? 1e-5 : 0.03;
  for (const auto& [key, vectors] : expected.seen) {
    const at::Tensor wide = vectors.to(at::kDouble);
    const double error = (got.seen.at(key).to(at::kDouble) - wide).norm().item<double>();
    EXPECT_LT(error, tolerance * wide.norm().item<double>()) << key.first << key.second;
  }
}

TEST_P(DeviceDecoder, GivesTheCpusVectorsUnderAutocast) {
  const Precision precision(std::get<1>(GetParam()), at::kHalf);
  Decoder device = load({at::kCUDA, 0}, /*streamed=*/false, precision);
  Decoder cpu = load(at::kCPU, /*streamed=*/false, precision);
  const std::vector<std::vector<int32_t>> documents = {some_ids(700, 3), some_ids(1100, 4)};
  const Recorder got = run(device, documents), expected = run(cpu, documents);
  ASSERT_EQ(got.seen.size(), expected.seen.size());
  for (const auto& [key, vectors] : expected.seen) {
    const at::Tensor wide = vectors.to(at::kDouble);
    const double error = (got.seen.at(key).to(at::kDouble) - wide).norm().item<double>();
    EXPECT_LT(error, 0.03 * wide.norm().item<double>()) << key.first << key.second;
  }
}

TEST_P(DeviceDecoder, GivesTheSameBitsWithStreamedWeights) {
  Decoder resident = load({at::kCUDA, 0}), streamed = load({at::kCUDA, 0}, /*streamed=*/true);
  for (const int32_t seed : {1, 2, 3, 4}) {
    const std::vector<std::vector<int32_t>> documents = {some_ids(700, seed), some_ids(1100, 9)};
    const Recorder expected = run(resident, documents), got = run(streamed, documents);
    ASSERT_EQ(got.seen.size(), expected.seen.size());
    for (const auto& [key, vectors] : expected.seen)
      EXPECT_TRUE(at::equal(got.seen.at(key), vectors)) << key.first << key.second;
  }
}

INSTANTIATE_TEST_SUITE_P(Families, DeviceDecoder,
                         testing::Combine(testing::Values("llama", "mistral", "ministral",
                                                          "ministral3", "qwen2", "qwen3", "smollm3",
                                                          "glm", "glm4", "gemma3_text",
                                                          "mllama_text_model"),
                                          testing::Values(at::kFloat, at::kBFloat16)),
                         [](const auto& info) {
                           return std::get<0>(info.param) + std::string("_") +
                                  c10::toString(std::get<1>(info.param));
                         });

}  // namespace
}  // namespace qk::models
