#include "models/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "tests/models/tiny_model.h"

namespace qk::models {
namespace {

using test::tiny_config;
using test::write_tiny_model;
using testing::HasSubstr;
using testing::ThrowsMessage;

DecoderWeights load(const std::filesystem::path& folder,
                    const nlohmann::json& overrides = nullptr) {
  const ModelDescription model = describe_model(folder, overrides);
  std::vector<DecoderWeights> weights = load_weights(
      folder, model, {.wanted = std::vector<WantedLayer>(model.spec.layers.size(), {true, true})});
  return std::move(weights.front());
}

TEST(Loader, FindsTheDecoderUnderEveryKnownPrefix) {
  for (const char* prefix :
       {"", "model.", "language_model.model.", "model.language_model.", "language_model."}) {
    const auto folder = write_tiny_model("prefix", tiny_config("llama"), {.prefix = prefix});
    EXPECT_EQ(load(folder).numbers.size(), 3u) << prefix;
  }
}

TEST(Loader, ViewsTheMappedFileWhenTheTypeFits) {
  const auto folder = write_tiny_model("mapped", tiny_config("llama"));
  const DecoderWeights weights = load(folder);
  const auto& view = weights.files.at("model.layers.0.self_attn.q_proj.weight");
  EXPECT_EQ(weights.layers->use(0)[Role::QProj].const_data_ptr(), view.data);
}

TEST(Loader, NamesAMissingTensor) {
  const auto folder =
      write_tiny_model("missing", tiny_config("llama"), {.keep = [](const std::string& name) {
                         return name != "model.layers.1.mlp.up_proj.weight";
                       }});
  EXPECT_THAT(
      [&] { load(folder); },
      ThrowsMessage<CheckpointError>(HasSubstr("model.layers.1.mlp.up_proj.weight is missing")));
}

TEST(Loader, NamesATensorThatTheFamilyDoesNotHave) {
  auto config = tiny_config("qwen3");
  const auto folder = write_tiny_model("unexpected", config);
  config["model_type"] = "llama";
  std::ofstream(folder / "config.json") << config.dump();
  EXPECT_THAT([&] { load(folder); },
              ThrowsMessage<CheckpointError>(HasSubstr("model.layers.0.self_attn.k_norm.weight")));
}

TEST(Loader, NamesATensorOfAnotherShape) {
  auto config = tiny_config("llama");
  const auto folder = write_tiny_model("shape", config);
  config["intermediate_size"] = 40;
  std::ofstream(folder / "config.json") << config.dump();
  EXPECT_THAT(
      [&] { load(folder); },
      ThrowsMessage<CheckpointError>(HasSubstr("shape [48, 32], but config.json says [40, 32]")));
}

TEST(Loader, IgnoresLayersBeyondTheModel) {
  auto config = tiny_config("llama");
  const auto folder = write_tiny_model("beyond", config);
  config["num_hidden_layers"] = 2;
  std::ofstream(folder / "config.json") << config.dump();
  EXPECT_EQ(load(folder).numbers.size(), 2u);
}

TEST(NeededTensors, AreThoseUpToTheLastWantedProjection) {
  const auto folder = write_tiny_model("needed", tiny_config("llama"));
  const ModelDescription model = describe_model(folder, nullptr);
  const NeededTensors needs(model, {{}, {.keys = true}, {}});
  EXPECT_TRUE(needs("model.embed_tokens.weight"));
  EXPECT_TRUE(needs("model.layers.0.mlp.down_proj.weight"));
  EXPECT_TRUE(needs("language_model.model.layers.1.self_attn.k_proj.weight"));
  EXPECT_FALSE(needs("model.layers.1.self_attn.q_proj.weight"));
  EXPECT_FALSE(needs("model.layers.2.input_layernorm.weight"));
  EXPECT_FALSE(needs("model.norm.weight"));
}

}  // namespace
}  // namespace qk::models
