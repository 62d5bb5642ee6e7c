// Products in another type than the weights', against Transformers under autocast
// (tests/data/autocast).
#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "checkpoint/safetensors.h"
#include "models/decoder.h"

namespace qk::models {
namespace {

namespace fs = std::filesystem;

const std::map<std::string, at::ScalarType> kTypes = {
    {"float32", at::kFloat}, {"bfloat16", at::kBFloat16}, {"float16", at::kHalf}};

at::Tensor tensor_of(const checkpoint::TensorView& view) {
  const std::map<checkpoint::DType, at::ScalarType> types = {
      {checkpoint::DType::F32, at::kFloat},
      {checkpoint::DType::BF16, at::kBFloat16},
      {checkpoint::DType::F16, at::kHalf},
      {checkpoint::DType::I32, at::kInt}};
  at::Tensor tensor = at::empty(view.shape, types.at(view.dtype));
  std::memcpy(tensor.data_ptr(), view.data, static_cast<size_t>(view.bytes));
  return tensor;
}

class Recorder : public AttentionTap {
 public:
  void take(int64_t layer, Kind kind, std::span<const at::Tensor> parts) override {
    seen[fmt::format("{}{}", static_cast<char>(kind), layer)] = parts.front().clone();
  }
  std::map<std::string, at::Tensor> seen;
};

struct Case {
  std::string family, weights, products;
  friend void PrintTo(const Case& c, std::ostream* out) {
    *out << c.family << "-" << c.weights << "-" << c.products;
  }
};

class Autocast : public testing::TestWithParam<Case> {
 protected:
  Recorder run(const at::Tensor& ids, const Precision& precision) const {
    const fs::path folder =
        fs::path(QK_SOURCE_DIR) / "tests/data/golden" / GetParam().family / "model";
    ModelDescription model = describe_model(folder, nullptr);
    std::vector<WantedLayer> wanted(model.spec.layers.size(), {.queries = true, .keys = true});
    Decoder decoder = Decoder::load(folder, std::move(model),
                                    {.precision = precision, .wanted = std::move(wanted)});
    const auto* data = ids.const_data_ptr<int32_t>();
    Recorder recorder;
    decoder.prefill({.ids = {data, data + ids.numel()}, .offsets = {0, ids.numel()}}, recorder);
    return recorder;
  }

  fs::path file() const {
    const Case& c = GetParam();
    return fs::path(QK_SOURCE_DIR) / "tests/data/autocast" /
           fmt::format("{}-{}-{}.safetensors", c.family, c.weights, c.products);
  }
};

double error(const at::Tensor& x, const at::Tensor& wanted) {
  const at::Tensor w = wanted.to(at::kDouble);
  return ((x.to(at::kDouble) - w).norm() / w.norm()).item<double>();
}

/// The first layer's vectors have seen one product each, so they are equal but for the few whose
/// sums round the other way; a value rounded at another point would be off everywhere.
TEST_P(Autocast, RoundsWhereTransformersDoes) {
  const auto expected = checkpoint::SafetensorsFile::open(file());
  const Precision precision{kTypes.at(GetParam().weights), kTypes.at(GetParam().products)};
  const at::Tensor ids = tensor_of(expected.tensors().at("ids"));
  const Recorder recorder = run(ids, precision);
  ASSERT_EQ(recorder.seen.size() + 1, expected.tensors().size());
  const double two_bits = precision.products == at::kHalf ? 0x1p-10 : 0x1p-7;
  for (const auto& [name, vectors] : recorder.seen) {
    const at::Tensor wanted = tensor_of(expected.tensors().at(name));
    ASSERT_EQ(vectors.scalar_type(), at::kFloat) << name;
    ASSERT_EQ(vectors.sizes(), wanted.sizes()) << name;
    EXPECT_LT(error(vectors, wanted), two_bits) << name;
    if (!name.ends_with("0") || name.size() != 2) continue;
    const at::Tensor equal = vectors.eq(wanted.to(at::kFloat)).to(at::kDouble).mean();
    EXPECT_GT(equal.item<double>(), 0.95) << name;
  }
}

/// What the test above would not forgive: one type throughout.
TEST_P(Autocast, IsNotOnePrecisionThroughout) {
  const auto expected = checkpoint::SafetensorsFile::open(file());
  const at::Tensor ids = tensor_of(expected.tensors().at("ids"));
  for (const std::string& one : {GetParam().weights, GetParam().products}) {
    const Recorder recorder = run(ids, kTypes.at(one));
    const at::Tensor wanted = tensor_of(expected.tensors().at("q0"));
    const at::Tensor equal = recorder.seen.at("q0").to(at::kFloat).eq(wanted.to(at::kFloat));
    EXPECT_LT(equal.to(at::kDouble).mean().item<double>(), 0.5) << one;
  }
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const char* family : {"gemma3_text", "glm4", "ministral3", "qwen3", "smollm3"}) {
    all.push_back({family, "float32", "bfloat16"});
    all.push_back({family, "bfloat16", "float16"});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(All, Autocast, testing::ValuesIn(cases()), [](const auto& info) {
  return info.param.family + "_" + info.param.weights + "_" + info.param.products;
});

}  // namespace
}  // namespace qk::models
