// A pass in parts, each with some rows and, in attention, some heads: the bits of one part.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

/// The decoder in `parts` parts against the decoder in one, for passes of all kinds.
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

TEST_P(Parts, GiveTheBitsOfOneBeforeTheRotaryEmbeddingAndWithStreamedWeights) {
  expect_bits_of_one_part(
      model(), {.precision = dtype(), .before_rotary = true, .wanted = {}, .streamed = true}, 2);
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
      expect_bits_of_one_part(
          folder,
          {.precision = {at::kFloat, at::kBFloat16}, .before_rotary = before_rotary, .wanted = {}},
          2);
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
