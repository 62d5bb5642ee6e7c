#include "models/registry.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/base/temporary_folder.h"
#include "tests/models/tiny_model.h"

namespace qk::models {
namespace {

using nlohmann::json;
using test::tiny_config;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

ModelDescription describe(const json& config, const json& overrides = nullptr) {
  const tests::TemporaryFolder folder;
  folder.write("config.json", config.dump());
  return describe_model(folder.path(), overrides);
}

double last_frequency(const Rope& rope, int64_t length = 1) {
  return rope_frequencies(rope, length)[-1].item<float>();
}

json llama_with(const json& rope, int64_t head_dim) {
  json config = tiny_config("llama");
  config.update(rope);
  config["head_dim"] = head_dim;
  config["max_position_embeddings"] = 131072;
  return config;
}

TEST(Registry, ListsFamiliesForAnUnknownOne) {
  json config = tiny_config("mamba2");
  EXPECT_THAT([&] { describe(config); },
              ThrowsMessage<CheckpointError>(AllOf(HasSubstr("'mamba2' is not supported"),
                                                   HasSubstr("qwen3"), HasSubstr("gemma3_text"),
                                                   HasSubstr("mllama"))));
}

TEST(Registry, RefusesQuantisedCheckpoints) {
  json config = tiny_config("qwen3");
  config["quantization_config"] = {{"quant_method", "fp8"}};
  EXPECT_THAT([&] { describe(config); }, ThrowsMessage<CheckpointError>(HasSubstr("fp8")));
}

TEST(Registry, ReadsBothGenerationsOfRopeAlike) {
  const json scaling = {{"rope_type", "llama3"},
                        {"factor", 8.0},
                        {"low_freq_factor", 1.0},
                        {"high_freq_factor", 4.0},
                        {"original_max_position_embeddings", 8192}};
  json parameters = scaling;
  parameters["rope_theta"] = 500000.0;
  const Rope v4 = describe(llama_with({{"rope_theta", 500000.0}, {"rope_scaling", scaling}}, 128))
                      .spec.ropes[0];
  const Rope v5 = describe(llama_with({{"rope_parameters", parameters}}, 128)).spec.ropes[0];
  EXPECT_TRUE(at::equal(rope_frequencies(v4, 1), rope_frequencies(v5, 1)));
  EXPECT_FLOAT_EQ(last_frequency(v4), 3.06892599e-07f);
}

TEST(Registry, Llama32FrequenciesHaveTheReleasedValues) {
  const Rope rope = describe(llama_with({{"rope_theta", 500000.0},
                                         {"rope_scaling",
                                          {{"rope_type", "llama3"},
                                           {"factor", 32.0},
                                           {"low_freq_factor", 1.0},
                                           {"high_freq_factor", 4.0},
                                           {"original_max_position_embeddings", 8192}}}},
                                        64))
                        .spec.ropes[0];
  EXPECT_FLOAT_EQ(last_frequency(rope), 9.41830673e-08f);
}

TEST(Registry, YarnOverrideKeepsTheCheckpointsTheta) {
  json config = tiny_config("qwen3");
  config.update({{"head_dim", 128},
                 {"max_position_embeddings", 40960},
                 {"rope_theta", 1000000},
                 {"rope_scaling", nullptr}});
  const json overrides = {
      {"rope_scaling",
       {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 32768}}}};
  const Rope rope = describe(config, overrides).spec.ropes[0];
  EXPECT_EQ(rope.type, RopeType::Yarn);
  EXPECT_EQ(rope.theta, 1e6);
  EXPECT_NEAR(rope.attention_factor, 1.1386294, 1e-6);
  EXPECT_FLOAT_EQ(last_frequency(rope) * 4, std::pow(1e6, -126.0 / 128));
}

TEST(Registry, LinearDividesEveryFrequency) {
  const Rope rope =
      describe(llama_with({{"rope_scaling", {{"type", "linear"}, {"factor", 4.0}}}}, 8))
          .spec.ropes[0];
  EXPECT_TRUE(at::allclose(rope_frequencies(rope, 1)[0], at::scalar_tensor(0.25f)));
}

TEST(Registry, DynamicStretchesOnlyBeyondTheOriginalLength) {
  json config = llama_with({{"rope_scaling", {{"type", "dynamic"}, {"factor", 2.0}}}}, 8);
  config["max_position_embeddings"] = 16;
  const Rope rope = describe(config).spec.ropes[0];
  EXPECT_FLOAT_EQ(last_frequency(rope, 16), std::pow(1e4, -6.0 / 8));
  const double theta = 1e4 * std::pow(2.0 * 32 / 16 - 1, 8.0 / 6);
  EXPECT_FLOAT_EQ(last_frequency(rope, 32), std::pow(theta, -6.0 / 8));
}

TEST(Registry, LongRopeChoosesItsFactorsByLength) {
  json config = llama_with({{"rope_scaling",
                             {{"type", "longrope"},
                              {"short_factor", {1.0, 1.0, 1.0, 1.0}},
                              {"long_factor", {2.0, 2.0, 2.0, 2.0}}}},
                            {"original_max_position_embeddings", 64}},
                           8);
  config["max_position_embeddings"] = 256;
  const Rope rope = describe(config).spec.ropes[0];
  EXPECT_FLOAT_EQ(last_frequency(rope, 64), std::pow(1e4, -6.0 / 8));
  EXPECT_FLOAT_EQ(last_frequency(rope, 65), std::pow(1e4, -6.0 / 8) / 2);
  EXPECT_NEAR(rope.attention_factor, std::sqrt(1 + std::log(4.0) / std::log(64.0)), 1e-12);
}

TEST(Registry, AnAbsentMistralWindowIs4096AndANullOneIsNone) {
  json config = tiny_config("mistral");
  config.erase("sliding_window");
  EXPECT_EQ(describe(config).spec.layers[0].window, 4096);
  config["sliding_window"] = nullptr;
  EXPECT_EQ(describe(config).spec.layers[0].window, std::nullopt);
}

TEST(Registry, SmolLM3LeavesTheRotaryEmbeddingOutOfEveryFourthLayer) {
  const DecoderSpec spec = describe(tiny_config("smollm3")).spec;
  EXPECT_TRUE(spec.layers[0].rope.has_value());
  EXPECT_FALSE(spec.layers[3].rope.has_value());
}

TEST(Registry, Gemma3ScalesOnlyFullLayers) {
  json config = tiny_config("gemma3_text");
  config.update({{"rope_theta", 1e6},
                 {"rope_local_base_freq", 1e4},
                 {"rope_scaling", {{"rope_type", "linear"}, {"factor", 8.0}}}});
  const DecoderSpec spec = describe(config).spec;
  EXPECT_EQ(spec.ropes[*spec.layers[0].rope].theta, 1e4);
  EXPECT_EQ(spec.ropes[*spec.layers[0].rope].factor, 1.0);
  EXPECT_EQ(spec.ropes[*spec.layers[5].rope].theta, 1e6);
  EXPECT_EQ(spec.ropes[*spec.layers[5].rope].factor, 8.0);
  EXPECT_EQ(spec.layers[5].window, std::nullopt);
}

TEST(Registry, OverridesLeaveDerivedFieldsAsTheyWere) {
  json config = tiny_config("gemma3_text");
  EXPECT_EQ(describe(config, {{"sliding_window_pattern", 2}}).spec.layers[1].window, 8);
  EXPECT_EQ(describe(config, {{"sliding_window", 5}}).spec.layers[0].window, 5);
}

TEST(Registry, ReadsTheTextPartOfMultimodalCheckpoints) {
  json whole = {{"model_type", "mistral3"},
                {"text_config", tiny_config("ministral3")},
                {"vision_config", json::object()}};
  const ModelDescription model = describe(whole);
  EXPECT_EQ(model.model_type, "ministral3");
  EXPECT_TRUE(model.spec.query_temperature.has_value());
}

TEST(Registry, NamesAMissingOrImpossibleValue) {
  json config = tiny_config("llama");
  config["num_key_value_heads"] = 3;
  EXPECT_THAT([&] { describe(config); },
              ThrowsMessage<CheckpointError>(HasSubstr("num_key_value_heads 3")));
  config = tiny_config("llama");
  config["hidden_size"] = "big";
  EXPECT_THAT([&] { describe(config); }, ThrowsMessage<CheckpointError>(HasSubstr("hidden_size")));
  config = tiny_config("llama");
  config["rope_scaling"] = {{"rope_type", "spiral"}};
  EXPECT_THAT([&] { describe(config); }, ThrowsMessage<CheckpointError>(HasSubstr("'spiral'")));
}

}  // namespace
}  // namespace qk::models
