#include "models/decoder.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/models/recorder.h"
#include "tests/models/tiny_model.h"

namespace qk::models {
namespace {

using test::everything;
using test::pack;
using test::Recorder;
using test::run;
using test::some_ids;
using test::tiny_config;
using test::write_tiny_model;

Decoder load(const std::filesystem::path& folder, DecoderOptions options = {}) {
  ModelDescription model = describe_model(folder, nullptr);
  if (options.wanted.empty()) options.wanted = everything(model);
  return Decoder::load(folder, std::move(model), std::move(options));
}

class EveryFamily : public testing::TestWithParam<std::tuple<std::string, at::ScalarType>> {
 protected:
  std::string model_type() const { return std::get<0>(GetParam()); }
  at::ScalarType dtype() const { return std::get<1>(GetParam()); }
  std::string name() const { return model_type() + "_" + c10::toString(dtype()); }
};

TEST_P(EveryFamily, GivesADocumentTheSameBitsWhateverSharesThePassAndHoweverManyThreads) {
  Decoder decoder = load(write_tiny_model(name(), tiny_config(model_type())),
                         {.precision = dtype(), .wanted = {}});
  const auto document = some_ids(300, 5), first = some_ids(41, 1), last = some_ids(600, 2);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Recorder alone = run(decoder, {document});
  ASSERT_FALSE(alone.seen.empty());
  for (const int count : {1, 2, 5}) {
    at::set_num_threads(count);
    const Recorder together = run(decoder, {first, document, {}, last});
    ASSERT_EQ(together.seen.size(), alone.seen.size());
    for (const auto& [key, vectors] : alone.seen) {
      EXPECT_TRUE(at::equal(together.seen.at(key).narrow(0, 41, 300), vectors))
          << "layer " << key.first << key.second << " with " << count << " threads";
    }
  }
  at::set_num_threads(threads);
}

TEST_P(EveryFamily, SeesNoTokenAfterItself) {
  Decoder decoder = load(write_tiny_model(name(), tiny_config(model_type())),
                         {.precision = dtype(), .wanted = {}});
  auto ids = some_ids(40, 3);
  const Recorder before = run(decoder, {ids});
  ids[30] = (ids[30] + 1) % 64;
  const Recorder after = run(decoder, {ids});
  for (const auto& [key, vectors] : before.seen) {
    EXPECT_TRUE(at::equal(vectors.narrow(0, 0, 30), after.seen.at(key).narrow(0, 0, 30)))
        << key.first << key.second;
    EXPECT_FALSE(at::equal(vectors[30], after.seen.at(key)[30])) << key.first << key.second;
    EXPECT_TRUE(at::isfinite(vectors).all().item<bool>());
  }
}

TEST_P(EveryFamily, GivesTheSameBitsWithStreamedWeights) {
  const auto folder = write_tiny_model(name(), tiny_config(model_type()));
  Decoder resident = load(folder, {.precision = dtype(), .wanted = {}});
  Decoder streamed =
      load(folder, {.precision = dtype(), .wanted = {}, .store = WeightStore::Streamed});
  for (const int32_t seed : {1, 2, 3}) {
    const auto ids = some_ids(40, seed);
    expect_same_bits(run(streamed, {ids}), run(resident, {ids}));
  }
}

/// Gives up after some layers.
class Quitter : public AttentionTap {
 public:
  explicit Quitter(int layers) : left_(layers) {}
  void take(int64_t, Kind, std::span<const at::Tensor>) override {
    if (left_-- == 0) throw Interrupted("stopped");
  }

 private:
  int left_;
};

TEST(StreamedWeights, BeginAnewAfterAPassThatEndedEarly) {
  auto config = tiny_config("llama");
  config["num_hidden_layers"] = 7;
  const auto folder = write_tiny_model("streamed_deep", config);
  Decoder resident = load(folder),
          streamed = load(folder, {.wanted = {}, .store = WeightStore::Streamed});
  const auto ids = some_ids(40, 3);
  const Recorder expected = run(resident, {ids});
  for (const int layers : {0, 3, 8, 13}) {
    Quitter quitter(layers);
    EXPECT_THROW(streamed.prefill(pack({ids}), quitter), Interrupted);
    expect_same_bits(run(streamed, {ids}), expected);
  }
}

TEST(StreamedWeights, AreGivenBackUnread) {
  load(write_tiny_model("streamed_unread", tiny_config("llama")),
       {.wanted = {}, .store = WeightStore::Streamed});
}

INSTANTIATE_TEST_SUITE_P(Families, EveryFamily,
                         testing::Combine(testing::Values("llama", "mistral", "ministral",
                                                          "ministral3", "qwen2", "qwen3", "smollm3",
                                                          "glm", "glm4", "gemma3_text",
                                                          "mllama_text_model"),
                                          testing::Values(at::kFloat, at::kBFloat16, at::kHalf)),
                         [](const auto& info) {
                           return std::get<0>(info.param) + std::string("_") +
                                  c10::toString(std::get<1>(info.param));
                         });

TEST(Decoder, LoadsAndRunsOnlyWhatIsWanted) {
  const auto config = tiny_config("qwen3");
  const auto whole = load(write_tiny_model("whole", config));
  // Neither layer 2 nor what layer 1 does after its key projection is in this checkpoint.
  const auto needed = [](const std::string& name) {
    return name.find("layers.2.") == std::string::npos &&
           (name.find("layers.1.") == std::string::npos ||
            name.find("input_layernorm") != std::string::npos ||
            name.find("k_proj") != std::string::npos || name.find("k_norm") != std::string::npos);
  };
  Decoder cut =
      load(write_tiny_model("cut", config, {.keep = needed}), {.wanted = {{}, {.keys = true}, {}}});
  Decoder all = load(write_tiny_model("whole", config));
  const auto ids = some_ids(20, 9);
  const Recorder expected = run(all, {ids}), got = run(cut, {ids});
  ASSERT_EQ(got.seen.size(), 1u);
  EXPECT_TRUE(at::equal(got.seen.at({1, 'k'}), expected.seen.at({1, 'k'})));
}

TEST(Decoder, CapturesBeforeTheRotaryEmbeddingWhenAsked) {
  const auto folder = write_tiny_model("rotary", tiny_config("llama"));
  Decoder after = load(folder), before = load(folder, {.before_rotary = true, .wanted = {}});
  const auto ids = some_ids(20, 9);
  const at::Tensor q = run(before, {ids}).seen.at({0, 'q'}),
                   rotated = run(after, {ids}).seen.at({0, 'q'});
  EXPECT_TRUE(at::equal(q[0], rotated[0]));  // position 0 is not turned
  EXPECT_FALSE(at::equal(q[7], rotated[7]));
  EXPECT_TRUE(at::allclose(q[7].norm(2, -1), rotated[7].norm(2, -1), 1e-5));
  // later layers see rotated queries either way
  EXPECT_TRUE(at::allclose(run(before, {ids}).seen.at({2, 'q'})[0],
                           run(after, {ids}).seen.at({2, 'q'})[0], 1e-5));
}

TEST(Decoder, SkipsCrossAttentionLayersWithoutRenumbering) {
  Decoder decoder = load(write_tiny_model("mllama", tiny_config("mllama_text_model")));
  const Recorder recorder = run(decoder, {some_ids(10, 1)});
  EXPECT_TRUE(recorder.seen.contains({0, 'q'}));
  EXPECT_FALSE(recorder.seen.contains({1, 'q'}));
  EXPECT_TRUE(recorder.seen.contains({2, 'q'}));
}

TEST(Decoder, ConvertsStoredWeightsToTheWantedType) {
  const auto config = tiny_config("llama");
  Decoder stored = load(write_tiny_model("as_stored", config, {.dtype = "BF16"}),
                        {.precision = at::kBFloat16, .wanted = {}});
  Decoder widened = load(write_tiny_model("widened", config, {.dtype = "BF16"}));
  const auto ids = some_ids(30, 4);
  const at::Tensor narrow = run(stored, {ids}).seen.at({0, 'k'}),
                   wide = run(widened, {ids}).seen.at({0, 'k'});
  EXPECT_FALSE(at::equal(narrow, wide));
  EXPECT_LT((narrow - wide).norm().item<float>(), 0.02f * wide.norm().item<float>());
}

TEST(Decoder, RefusesATokenOutsideOfTheEmbedding) {
  Decoder decoder = load(write_tiny_model("outside", tiny_config("llama")));
  EXPECT_THROW(run(decoder, {{1, 2, 64}}), CheckpointError);
}

}  // namespace
}  // namespace qk::models
