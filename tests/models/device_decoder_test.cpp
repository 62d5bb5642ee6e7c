// The decoder on a GPU: the same bits however documents are packed, and the CPU's vectors.
#include <ATen/ATen.h>
#include <ATen/DeviceAccelerator.h>
#include <gtest/gtest.h>

#include "tests/models/recorder.h"
#include "tests/models/tiny_model.h"

namespace qk::models {
namespace {

using test::Recorder;
using test::run;
using test::some_ids;

/// On a machine with fewer GPUs a GPU has several parts.
std::vector<at::Device> some_gpus(int count) {
  std::vector<at::Device> devices;
  for (int i = 0; i < count; ++i)
    devices.emplace_back(at::kCUDA,
                         static_cast<c10::DeviceIndex>(i % at::accelerator::deviceCount()));
  return devices;
}

class DeviceDecoder : public testing::TestWithParam<std::tuple<std::string, at::ScalarType>> {
 protected:
  Decoder load(at::Device device, bool streamed = false) const {
    return load({.precision = std::get<1>(GetParam()),
                 .devices = {device},
                 .wanted = {},
                 .store = streamed ? WeightStore::Streamed : WeightStore::Resident});
  }

  Decoder load(DecoderOptions options) const {
    const auto& [model_type, dtype] = GetParam();
    const auto folder = test::write_tiny_model(model_type + "_" + c10::toString(dtype),
                                               test::tiny_config(model_type));
    ModelDescription model = describe_model(folder, nullptr);
    options.wanted = test::everything(model);
    return Decoder::load(folder, std::move(model), std::move(options));
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

TEST_P(DeviceDecoder, GivesRowsOfTheLastLayerTheSameBitsAloneInShortDocuments) {
  class OfRows final : public Recorder {
   public:
    std::optional<std::vector<int32_t>> rows_of_last_layer() override {
      return std::vector<int32_t>{0, 5, 699, 700, 1000, 1599};
    }
  } some;
  for (const int count : {1, 2}) {
    DecoderOptions options{
        .precision = std::get<1>(GetParam()), .devices = some_gpus(count), .wanted = {}};
    Decoder decoder = load(options);
    const std::vector<std::vector<int32_t>> documents = {some_ids(700, 3), some_ids(900, 4)};
    Recorder all = run(decoder, documents);
    const at::Tensor rows = at::tensor(*some.rows_of_last_layer(), at::kInt);
    const int64_t last = all.seen.rbegin()->first.first;
    for (auto& [key, vectors] : all.seen)
      if (key.first == last) vectors = vectors.index_select(0, rows);
    decoder.prefill(test::pack(documents), some);
    expect_same_bits(some, all);
  }
}

TEST_P(DeviceDecoder, GivesTheCpusVectorsUnderAutocast) {
  const Precision precision(std::get<1>(GetParam()), at::kHalf);
  Decoder device =
      load({.precision = precision, .devices = {at::Device(at::kCUDA, 0)}, .wanted = {}});
  Decoder cpu = load({.precision = precision, .wanted = {}});
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
    expect_same_bits(run(streamed, documents), run(resident, documents));
  }
}

TEST_P(DeviceDecoder, GivesTheSameBitsInTwoParts) {
  for (const bool before_rotary : {false, true}) {
    for (const bool streamed : {false, true}) {
      DecoderOptions options{.precision = std::get<1>(GetParam()),
                             .devices = some_gpus(1),
                             .before_rotary = before_rotary,
                             .wanted = {}};
      Decoder one = load(options);
      options.devices = some_gpus(2),
      options.store = streamed ? WeightStore::Streamed : WeightStore::Resident;
      Decoder two = load(options);
      for (const int64_t tokens : {1, 700, 5000}) {
        const std::vector<std::vector<int32_t>> single = {some_ids(tokens, 3)};
        expect_same_bits(run(two, single), run(one, single));
      }
      const std::vector<std::vector<int32_t>> packed = {
          some_ids(41, 1), some_ids(1300, 5), {}, some_ids(2600, 2)};
      expect_same_bits(run(two, packed), run(one, packed));
    }
  }
}

TEST_P(DeviceDecoder, GivesTheSameBitsInTwoPartsUnderAutocast) {
  DecoderOptions options{
      .precision = {std::get<1>(GetParam()), at::kHalf}, .devices = some_gpus(1), .wanted = {}};
  Decoder one = load(options);
  options.devices = some_gpus(2);
  Decoder two = load(options);
  const std::vector<std::vector<int32_t>> packed = {some_ids(700, 3), some_ids(2600, 2)};
  expect_same_bits(run(two, packed), run(one, packed));
}

/// cuda:0 twice, and where there are two GPUs these.
std::vector<std::vector<at::Device>> pairs_of_gpus() {
  std::vector<std::vector<at::Device>> pairs = {std::vector(2, at::Device(at::kCUDA, 0))};
  if (at::accelerator::deviceCount() > 1) pairs.push_back(some_gpus(2));
  return pairs;
}

TEST_P(DeviceDecoder, GivesTheSameBitsWhereTwoHoldTheModelTogether) {
  const at::ScalarType dtype = std::get<1>(GetParam());
  for (const Precision precision : {Precision(dtype), Precision(dtype, at::kHalf)}) {
    for (const bool before_rotary : {false, true}) {
      DecoderOptions options{.precision = precision,
                             .devices = some_gpus(1),
                             .before_rotary = before_rotary,
                             .wanted = {}};
      Decoder one = load(options);
      for (const auto& devices : pairs_of_gpus()) {
        options.devices = devices;
        options.split = Split::Heads, options.store = WeightStore::Shared;
        Decoder shared = load(options);
        options.split = Split::Layers, options.store = WeightStore::Resident;
        Decoder layers = load(options);
        options.store = WeightStore::Streamed;
        Decoder streamed = load(options);
        for (const int64_t tokens : {1, 700, 5000}) {
          const std::vector<std::vector<int32_t>> documents = {
              some_ids(41, 1), some_ids(tokens, 3), {}, some_ids(1300, 2)};
          const Recorder expected = run(one, documents);
          for (Decoder* decoder : {&shared, &layers, &streamed})
            expect_same_bits(run(*decoder, documents), expected);
        }
      }
    }
  }
}

/// Keeps copies on the devices, so that nothing waits between passes.
class Queue : public AttentionTap {
 public:
  void take(int64_t, Kind, std::span<const at::Tensor> parts) override {
    for (const at::Tensor& part : parts) seen.push_back(part.clone());
  }
  std::vector<at::Tensor> seen;
};

TEST_P(DeviceDecoder, GivesTheSameBitsInPassesThatAreQueuedAhead) {
  for (const auto& devices : pairs_of_gpus()) {
    for (const Split split : {Split::Heads, Split::Layers}) {
      DecoderOptions options{
          .precision = std::get<1>(GetParam()), .devices = devices, .split = split, .wanted = {}};
      if (split == Split::Heads) options.store = WeightStore::Shared;
      Decoder decoder = load(options);
      Queue by_themselves, ahead;
      for (const bool wait : {true, false}) {
        for (const int32_t seed : {1, 2, 3, 4, 5, 6}) {  // of growing size
          const auto tokens = test::pack({some_ids(300, seed), some_ids(2000 * seed, seed + 1)});
          decoder.prefill(tokens, wait ? by_themselves : ahead);
          for (const at::Device device : devices)
            if (wait) at::accelerator::synchronizeDevice(device.index());
        }
      }
      ASSERT_EQ(ahead.seen.size(), by_themselves.seen.size());
      for (size_t i = 0; i < ahead.seen.size(); ++i)
        EXPECT_TRUE(at::equal(ahead.seen[i], by_themselves.seen[i])) << i;
    }
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
