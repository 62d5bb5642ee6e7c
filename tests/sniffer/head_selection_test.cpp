// tests/data/primitives.json: see sampling_test.cpp.
#include "sniffer/head_selection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "sniffer/python_random.h"

namespace qk::sniffer {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const json& primitives() {
  static const json all = json::parse(std::ifstream(QK_SOURCE_DIR "/tests/data/primitives.json"));
  return all;
}

using HeadsOfLayer = std::map<int64_t, std::vector<int64_t>>;

std::vector<LayerInfo> layers_of(int64_t count, int64_t query_heads, int64_t key_heads) {
  const LayerInfo layer{.query_heads = query_heads, .key_heads = key_heads, .sliding_window = {}};
  return std::vector<LayerInfo>(static_cast<size_t>(count), layer);
}

/// Layers 0, 1, 2 with a sliding window, 3 full, and so on.
std::vector<LayerInfo> mostly_sliding(int64_t count) {
  std::vector<LayerInfo> layers = layers_of(count, 4, 2);
  for (int64_t i = 0; i < count; ++i) {
    if (i % 4 == 3) continue;
    layers[i].sliding_window = 128;
    layers[i].samples_as_full = false;
  }
  return layers;
}

CaptureConfig sampling(int64_t count, int64_t seed) {
  CaptureConfig capture;
  capture.head_sampling = HeadSampling{.count = count, .seed = seed};
  return capture;
}

std::string message_of(const CaptureConfig& capture, const std::vector<LayerInfo>& layers) {
  try {
    select_heads(capture, layers);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no ConfigError";
}

std::optional<std::vector<int64_t>> list_of(const json& value) {
  if (value.is_null()) return std::nullopt;
  return value.get<std::vector<int64_t>>();
}

HeadsOfLayer heads_of(const json& object) {
  HeadsOfLayer heads;
  for (const auto& [layer, list] : object.items()) {
    list.get_to(heads[std::stoll(layer)]);
  }
  return heads;
}

std::vector<LayerInfo> layers_of(const json& entry) {
  const json& types = entry.at("layer_types");
  std::vector<LayerInfo> layers = layers_of(entry.at("num_layers").get<int64_t>(),
                                            entry.at("num_query_heads"), entry.at("num_key_heads"));
  for (size_t i = 0; i < layers.size(); ++i) {
    if (types.is_null() || types.at(i) == "full_attention") continue;
    layers[i].samples_as_full = false;
    layers[i].sliding_window = 64;
  }
  return layers;
}

CaptureConfig capture_of(const json& entry) {
  CaptureConfig capture = sampling(entry.at("count"), entry.at("seed"));
  capture.layers = list_of(entry.at("layers"));
  capture.heads = list_of(entry.at("heads"));
  capture.full_attention_only = entry.at("full_attention_only");
  return capture;
}

TEST(SelectHeads, SamplesAsReference) {
  ASSERT_EQ(primitives().at("head_sampling").size(), 20);
  for (const json& entry : primitives().at("head_sampling")) {
    SCOPED_TRACE(entry.dump().substr(0, 300));
    const CaptureConfig capture = capture_of(entry);
    HeadsOfLayer queries, keys;
    for (const SelectedLayer& selected : select_heads(capture, layers_of(entry))) {
      queries[selected.layer] = selected.query_heads;
      keys[selected.layer] = selected.key_heads;
    }
    EXPECT_EQ(queries, heads_of(entry.at("query_heads")));
    EXPECT_EQ(keys, heads_of(entry.at("key_heads")));
  }
}

TEST(HeadSamplingFacts, EqualReference) {
  for (const json& entry : primitives().at("head_sampling")) {
    const CaptureConfig capture = capture_of(entry);
    std::map<std::string, std::string> expected;
    for (const auto& [name, value] : entry.at("metadata").items()) {
      expected[name] = value.is_string() ? value.get<std::string>() : value.dump();
    }
    const HeadSamplingFacts facts = head_sampling_facts(capture, layers_of(entry));
    EXPECT_EQ(facts.size(), expected.size());
    EXPECT_EQ((std::map<std::string, std::string>(facts.begin(), facts.end())), expected);
  }
}

TEST(HeadSamplingFacts, AreNoneWithoutSampling) {
  EXPECT_TRUE(head_sampling_facts({}, layers_of(2, 4, 2)).empty());
}

TEST(HeadSamplingFacts, CountTheDrawWhateverIsCaptured) {
  std::vector<LayerInfo> layers = layers_of(2, 4, 2);
  layers[1].has_attention = false;
  CaptureConfig capture = sampling(8, 0);
  capture.capture_keys = false;
  const HeadSamplingFacts facts = head_sampling_facts(capture, layers);
  EXPECT_THAT(facts, testing::Contains(testing::Pair("head_sampling_selected_query_heads", "8")));
  EXPECT_THAT(facts, testing::Contains(testing::Pair("head_sampling_selected_key_heads", "4")));
}

TEST(SelectHeads, TakesEverythingByDefault) {
  EXPECT_THAT(
      select_heads({}, layers_of(2, 4, 2)),
      ElementsAre(SelectedLayer{0, {0, 1, 2, 3}, {0, 1}}, SelectedLayer{1, {0, 1, 2, 3}, {0, 1}}));
}

TEST(SelectHeads, EmptyListsMeanAll) {
  CaptureConfig capture;
  capture.layers = capture.heads = std::vector<int64_t>{};
  EXPECT_EQ(select_heads(capture, layers_of(3, 4, 2)), select_heads({}, layers_of(3, 4, 2)));
}

TEST(SelectHeads, ListsNeedNoOrder) {
  CaptureConfig capture;
  capture.layers = {2, 0, 2};
  capture.heads = {1, 0, 1};
  EXPECT_THAT(select_heads(capture, layers_of(3, 4, 2)),
              ElementsAre(SelectedLayer{0, {0, 1}, {0, 1}}, SelectedLayer{2, {0, 1}, {0, 1}}));
}

TEST(SelectHeads, LeavesOutAKindThatIsNotCaptured) {
  CaptureConfig capture;
  capture.heads = {3};
  capture.capture_keys = false;
  EXPECT_THAT(select_heads(capture, layers_of(1, 4, 2)), ElementsAre(SelectedLayer{0, {3}, {}}));
  capture.heads = {1};
  capture.capture_keys = true;
  capture.capture_queries = false;
  EXPECT_THAT(select_heads(capture, layers_of(1, 4, 2)), ElementsAre(SelectedLayer{0, {}, {1}}));
}

TEST(SelectHeads, SampledKeyHeadsFollowQueryHeads) {
  CaptureConfig capture = sampling(100, 0);
  capture.heads = {3, 4, 5};
  EXPECT_THAT(select_heads(capture, layers_of(1, 6, 3)),
              ElementsAre(SelectedLayer{0, {3, 4, 5}, {1, 2}}));
  capture.capture_queries = false;
  EXPECT_THAT(select_heads(capture, layers_of(1, 6, 3)), ElementsAre(SelectedLayer{0, {}, {1, 2}}));
}

TEST(SelectHeads, FullAttentionOnlyDropsSlidingLayers) {
  CaptureConfig capture;
  capture.full_attention_only = true;
  EXPECT_THAT(
      select_heads(capture, mostly_sliding(8)),
      ElementsAre(SelectedLayer{3, {0, 1, 2, 3}, {0, 1}}, SelectedLayer{7, {0, 1, 2, 3}, {0, 1}}));
  capture.head_sampling = HeadSampling{.count = 3, .seed = 1};
  for (const SelectedLayer& selected : select_heads(capture, mostly_sliding(8))) {
    EXPECT_EQ(selected.layer % 4, 3);
  }
}

TEST(SelectHeads, CrossAttentionLayersAreDrawnButNotCaptured) {
  std::vector<LayerInfo> layers = layers_of(4, 8, 8);
  layers[1].has_attention = layers[3].has_attention = false;
  const auto with_gaps = select_heads(sampling(16, 3), layers);
  std::vector<SelectedLayer> expected = select_heads(sampling(16, 3), layers_of(4, 8, 8));
  std::erase_if(expected, [](const SelectedLayer& selected) { return selected.layer % 2 == 1; });
  EXPECT_EQ(with_gaps, expected);
  EXPECT_EQ(with_gaps.size(), 2);
}

TEST(SelectHeads, CrossAttentionLayersNeedNotHaveTheListedHeads) {
  std::vector<LayerInfo> layers = layers_of(2, 4, 4);
  layers[1] = {.query_heads = 1, .key_heads = 1, .sliding_window = {}, .has_attention = false};
  CaptureConfig capture;
  capture.heads = {3};
  EXPECT_THAT(select_heads(capture, layers), ElementsAre(SelectedLayer{0, {3}, {3}}));
}

TEST(SelectHeads, RejectsUnknownLayers) {
  CaptureConfig capture;
  capture.layers = {0, 12, -1};
  EXPECT_THAT(message_of(capture, layers_of(12, 4, 2)),
              AllOf(HasSubstr("capture.layers: no layer -1, 12"), HasSubstr("0 to 11")));
  capture.head_sampling = HeadSampling{.count = 1, .seed = 0};
  EXPECT_THAT(message_of(capture, layers_of(12, 4, 2)), HasSubstr("capture.layers"));
}

TEST(SelectHeads, RejectsUnknownHeads) {
  CaptureConfig capture;
  capture.heads = {1, 4};
  EXPECT_THAT(message_of(capture, layers_of(2, 4, 2)),
              AllOf(HasSubstr("capture.heads: no query head 4 in layer 0"), HasSubstr("0 to 3")));
  capture.heads = {1, 3};
  EXPECT_THAT(message_of(capture, layers_of(2, 4, 2)),
              AllOf(HasSubstr("capture.heads: no key head 3"), HasSubstr("capture.capture_keys")));
  capture.heads = {-1};
  capture.capture_queries = false;
  EXPECT_THAT(message_of(capture, layers_of(2, 4, 2)), HasSubstr("no key head -1"));
}

TEST(SelectHeads, SamplingRejectsUnknownQueryHeadsOnly) {
  CaptureConfig capture = sampling(2, 0);
  capture.heads = {3};
  EXPECT_THAT(select_heads(capture, layers_of(1, 4, 2)), ElementsAre(SelectedLayer{0, {3}, {1}}));
  capture.heads = {4};
  EXPECT_THAT(message_of(capture, layers_of(1, 4, 2)), HasSubstr("no query head 4"));
}

TEST(SelectHeads, RejectsCountBelowOne) {
  EXPECT_THAT(message_of(sampling(0, 0), layers_of(1, 4, 2)),
              AllOf(HasSubstr("capture.head_sampling.count: 0"), HasSubstr("at least 1")));
}

TEST(SelectHeads, RejectsCapturingNeitherKind) {
  CaptureConfig capture;
  capture.capture_queries = capture.capture_keys = false;
  EXPECT_THAT(message_of(capture, layers_of(1, 4, 2)), HasSubstr("capture.capture_queries"));
}

TEST(SelectHeads, RejectsFullAttentionOnlyOfSlidingLayers) {
  CaptureConfig capture;
  capture.full_attention_only = true;
  capture.layers = {0, 1};
  EXPECT_THAT(message_of(capture, mostly_sliding(4)),
              AllOf(HasSubstr("2 layers in capture.layers"), HasSubstr("2 have a sliding window"),
                    HasSubstr("Set capture.full_attention_only to false")));
  capture.head_sampling = HeadSampling{.count = 1, .seed = 0};
  EXPECT_THAT(message_of(capture, mostly_sliding(4)), HasSubstr("no head to draw"));
}

// mistral: every layer has a window, yet sampling counts all of them as full.
TEST(SelectHeads, RejectsDrawFromLayersThatAreAllLeftOut) {
  std::vector<LayerInfo> layers = layers_of(3, 4, 2);
  for (LayerInfo& layer : layers) layer.sliding_window = 4096;
  CaptureConfig capture = sampling(5, 0);
  capture.full_attention_only = true;
  EXPECT_THAT(message_of(capture, layers),
              AllOf(HasSubstr("nothing to capture"), HasSubstr("3 have a sliding window")));
}

TEST(SelectHeads, RejectsDrawThatMeetsCrossAttentionOnly) {
  std::vector<LayerInfo> layers = layers_of(2, 1, 1);
  layers[0].has_attention = false;
  for (int64_t seed = 0; seed < 32; ++seed) {
    const int64_t layer = python_sample(seed, 2, 1).front();
    const std::string message = message_of(sampling(1, seed), layers);
    EXPECT_EQ(message == "no ConfigError", layer == 1);
    if (layer == 0) {
      EXPECT_THAT(message, HasSubstr("Raise capture.head_sampling.count"));
    }
  }
}

}  // namespace
}  // namespace qk::sniffer
