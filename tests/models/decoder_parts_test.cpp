// A pass over several devices: in parts, each with some rows and, in attention, some heads; or with
// some of the layers on each. The bits of one device.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/error.h"
#include "tests/models/recorder.h"
#include "tests/models/tiny_model.h"

namespace qk::models {
namespace {

using test::run;
using test::some_ids;
using test::tiny_config;
using test::write_tiny_model;

Decoder load(const std::filesystem::path& folder, DecoderOptions options, size_t parts) {
  ModelDescription model = describe_model(folder, nullptr);
  options.wanted = test::everything(model);
  options.devices.assign(parts, at::kCPU);
  return Decoder::load(folder, std::move(model), std::move(options));
}

/// The decoder on `parts` devices against the decoder in one, for passes of all kinds.
void expect_bits_of_one_part(const std::filesystem::path& folder, const DecoderOptions& options,
                             size_t parts) {
  Decoder one = load(folder, options, 1), several = load(folder, options, parts);
  const std::vector<std::vector<std::vector<int32_t>>> passes = {
      {some_ids(1, 4)},    // fewer tokens than parts
      {some_ids(530, 6)},  // a document in two tiles
      {some_ids(41, 1), some_ids(90, 5), {}, some_ids(60, 2), some_ids(3, 3)}};
  for (const auto& documents : passes) {
    const SCOPED_TRACE(std::to_string(parts) + " parts, " + std::to_string(documents.size()) +
                       " documents");
    expect_same_bits(run(several, documents), run(one, documents));
  }
}

class Parts : public testing::TestWithParam<std::tuple<std::string, at::ScalarType>> {
 protected:
  std::string model_type() const { return std::get<0>(GetParam()); }
  at::ScalarType dtype() const { return std::get<1>(GetParam()); }

  /// Heads that 2 and 3 parts can share.
  std::filesystem::path model() const {
    auto config = tiny_config(model_type());
    config["hidden_size"] = 96, config["num_attention_heads"] = 12,
    config["num_key_value_heads"] = 6;
    return write_tiny_model(model_type() + "_parts_" + c10::toString(dtype()), config);
  }
};

TEST_P(Parts, GiveTheBitsOfOne) {
  const auto folder = model();
  for (const size_t parts : {2, 3})
    expect_bits_of_one_part(folder, {.precision = dtype(), .wanted = {}}, parts);
}

TEST_P(Parts, GiveTheBitsOfOneWithSharedWeights) {
  const auto folder = model();
  for (const size_t parts : {2, 3}) {
    expect_bits_of_one_part(
        folder, {.precision = dtype(), .wanted = {}, .store = WeightStore::Shared}, parts);
  }
}

TEST_P(Parts, GiveTheBitsOfOneWithLayersOfTheirOwn) {
  const auto folder = model();
  for (const bool before_rotary : {false, true}) {
    for (const size_t parts : {2, 3}) {
      expect_bits_of_one_part(folder,
                              {.precision = dtype(),
                               .split = Split::Layers,
                               .before_rotary = before_rotary,
                               .wanted = {}},
                              parts);
    }
  }
}

TEST_P(Parts, GiveTheBitsOfOneWithStreamedLayersOfTheirOwn) {
  expect_bits_of_one_part(
      model(),
      {.precision = dtype(), .split = Split::Layers, .wanted = {}, .store = WeightStore::Streamed},
      2);
}

TEST_P(Parts, GiveTheBitsOfOneBeforeTheRotaryEmbeddingAndWithStreamedWeights) {
  expect_bits_of_one_part(
      model(),
      {.precision = dtype(), .before_rotary = true, .wanted = {}, .store = WeightStore::Streamed},
      2);
}

INSTANTIATE_TEST_SUITE_P(Families, Parts,
                         testing::Combine(testing::Values("llama", "mistral", "ministral",
                                                          "ministral3", "qwen2", "qwen3", "smollm3",
                                                          "glm", "glm4", "gemma3_text",
                                                          "mllama_text_model"),
                                          testing::Values(at::kFloat, at::kBFloat16)),
                         [](const auto& info) {
                           return std::get<0>(info.param) + std::string("_") +
                                  c10::toString(std::get<1>(info.param));
                         });

TEST(MixedParts, GiveTheBitsOfOne) {
  for (const bool before_rotary : {false, true}) {
    for (const char* family : {"qwen3", "gemma3_text", "smollm3"}) {
      const auto folder =
          write_tiny_model(std::string(family) + "_mixed_parts", tiny_config(family));
      for (const Split split : {Split::Heads, Split::Layers}) {
        expect_bits_of_one_part(folder,
                                {.precision = {at::kFloat, at::kBFloat16},
                                 .split = split,
                                 .before_rotary = before_rotary,
                                 .wanted = {}},
                                2);
      }
    }
  }
}

TEST(Parts, ShowTheirRowsInTheOrderOfThePass) {
  class Rows : public AttentionTap {
   public:
    void take(int64_t, Kind, std::span<const at::Tensor> parts) override {
      rows.clear();
      for (const at::Tensor& part : parts) rows.push_back(part.size(0));
    }
    std::vector<int64_t> rows;
  } rows;
  Decoder decoder = load(write_tiny_model("parts_rows", tiny_config("llama")), {.wanted = {}}, 2);
  decoder.prefill(test::pack({some_ids(1100, 6)}), rows);
  EXPECT_THAT(rows.rows, testing::ElementsAre(368, 732));
}

/// Gives up after some layers and kinds.
class Quitter : public AttentionTap {
 public:
  explicit Quitter(int calls) : left_(calls) {}
  void take(int64_t, Kind, std::span<const at::Tensor>) override {
    if (left_-- == 0) throw Interrupted("stopped");
  }

 private:
  int left_;
};

TEST(Parts, BeginAnewAfterAPassThatEndedEarly) {
  auto config = tiny_config("llama");
  config["num_hidden_layers"] = 7;
  const auto folder = write_tiny_model("parts_deep", config);
  Decoder one = load(folder, {.wanted = {}}, 1);
  Decoder shared = load(folder, {.wanted = {}, .store = WeightStore::Shared}, 2);
  Decoder layers = load(folder, {.split = Split::Layers, .wanted = {}}, 3);
  const std::vector<std::vector<int32_t>> documents = {some_ids(40, 3), some_ids(600, 2)};
  const test::Recorder expected = run(one, documents);
  for (const int calls : {0, 3, 6, 9, 13}) {
    for (Decoder* decoder : {&shared, &layers}) {
      Quitter quitter(calls);
      EXPECT_THROW(decoder->prefill(test::pack({some_ids(90, 7)}), quitter), Interrupted);
      expect_same_bits(run(*decoder, documents), expected);
    }
  }
}

TEST(Layers, ArePassedByPassesOfSeveralThreads) {
  auto config = tiny_config("llama");
  config["num_hidden_layers"] = 7;
  const auto folder = write_tiny_model("parts_threads", config);
  Decoder one = load(folder, {.wanted = {}}, 1);
  Decoder layers = load(folder, {.split = Split::Layers, .wanted = {}}, 3);
  std::vector<test::Recorder> got(4), expected;
  for (int32_t t = 0; t < 4; ++t) expected.push_back(run(one, {some_ids(100 * t + 50, t)}));
  std::vector<std::thread> threads;
  for (int32_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int repeat = 0; repeat < 5; ++repeat) {
        got[static_cast<size_t>(t)].seen.clear();
        layers.prefill(test::pack({some_ids(100 * t + 50, t)}), got[static_cast<size_t>(t)]);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t t = 0; t < 4; ++t) expect_same_bits(got[t], expected[t]);
}

TEST(Layers, TakeNoMoreDevicesThanThereAreLayersBelowTheLast) {
  const auto folder = write_tiny_model("parts_few_layers", tiny_config("llama"));
  Decoder decoder = load(folder, {.split = Split::Layers, .wanted = {}}, 5);
  EXPECT_EQ(decoder.devices().size(), 2u);
}

TEST(Parts, AreRefusedWhereKeyHeadsDontDivide) {
  const auto folder = write_tiny_model("parts_refused", tiny_config("llama"));
  try {
    load(folder, {.wanted = {}}, 3);
    FAIL() << "2 key heads were shared by 3 parts";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("2 key heads, which 3 GPUs"));
    EXPECT_THAT(error.what(), testing::HasSubstr("1, 2 can"));
  }
}

}  // namespace
}  // namespace qk::models
