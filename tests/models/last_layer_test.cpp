// A tap that keeps few rows of the last layer: it sees them alone.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/models/recorder.h"
#include "tests/models/tiny_model.h"

namespace qk::models {
namespace {

using test::Recorder;
using test::some_ids;

class RecorderOfRows final : public Recorder {
 public:
  explicit RecorderOfRows(std::vector<int32_t> rows) : rows_(std::move(rows)) {}
  std::optional<std::vector<int32_t>> rows_of_last_layer() override { return rows_; }

 private:
  std::vector<int32_t> rows_;
};

class LastLayer : public testing::TestWithParam<std::tuple<std::string, size_t>> {
 protected:
  /// layers: wanted, from the first on.
  Decoder load(size_t parts, int64_t layers, bool before_rotary, Split split = Split::Heads) const {
    const auto& model_type = std::get<0>(GetParam());
    const auto folder =
        test::write_tiny_model("last_layer_" + model_type, test::tiny_config(model_type));
    ModelDescription model = describe_model(folder, nullptr);
    DecoderOptions options{.devices = std::vector(parts, at::Device(at::kCPU)),
                           .split = split,
                           .before_rotary = before_rotary,
                           .wanted = test::everything(model)};
    for (size_t i = static_cast<size_t>(layers); i < options.wanted.size(); ++i)
      options.wanted[i] = {};
    return Decoder::load(folder, std::move(model), std::move(options));
  }
};

double relative_error(const at::Tensor& x, const at::Tensor& expected) {
  return ((x - expected).norm() / expected.norm()).item<double>();
}

/// That some has seen all rows, but of the last layer those of the index alone.
void expect_rows(const Recorder& some, const Recorder& all, const at::Tensor& index) {
  ASSERT_EQ(some.seen.size(), all.seen.size());
  const int64_t last = all.seen.rbegin()->first.first;
  for (const auto& [key, vectors] : all.seen) {
    const SCOPED_TRACE(std::to_string(key.first) + key.second);
    if (key.first < last) {
      EXPECT_TRUE(at::equal(some.seen.at(key), vectors));
    } else {
      ASSERT_EQ(some.seen.at(key).size(0), index.size(0));
      EXPECT_LT(relative_error(some.seen.at(key), vectors.index_select(0, index)), 1e-5);
    }
  }
}

TEST_P(LastLayer, ShowsTheRowsThatAreKept) {
  const models::PackedTokens tokens = test::pack({some_ids(70, 1), {}, some_ids(900, 2)});
  const std::vector<int32_t> rows = {3, 69, 70, 71, 500, 700, 969};
  const at::Tensor index = at::tensor(rows, at::kInt);
  for (const bool before_rotary : {false, true}) {
    for (const int64_t layers : {1, 2, 3}) {
      Recorder all;
      load(1, layers, before_rotary).prefill(tokens, all);
      for (const Split split : {Split::Heads, Split::Layers}) {
        RecorderOfRows some(rows);
        load(std::get<1>(GetParam()), layers, before_rotary, split).prefill(tokens, some);
        expect_rows(some, all, index);
      }
    }
  }
}

TEST_P(LastLayer, MayKeepNoRow) {
  RecorderOfRows none({});
  load(std::get<1>(GetParam()), 2, false).prefill(test::pack({some_ids(70, 1)}), none);
  EXPECT_EQ(none.seen.rbegin()->second.size(0), 0);
  EXPECT_EQ(none.seen.begin()->second.size(0), 70);
}

INSTANTIATE_TEST_SUITE_P(Families, LastLayer,
                         testing::Combine(testing::Values("llama", "gemma3_text", "glm4", "smollm3",
                                                          "ministral3"),
                                          testing::Values(1, 2)),
                         [](const auto& info) {
                           return std::get<0>(info.param) + "_" +
                                  std::to_string(std::get<1>(info.param)) + "_parts";
                         });

}  // namespace
}  // namespace qk::models
