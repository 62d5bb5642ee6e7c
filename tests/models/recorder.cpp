#include "tests/models/recorder.h"

#include <ATen/ATen.h>

namespace qk::test {

void Recorder::take(int64_t layer, models::Kind kind, std::span<const at::Tensor> parts) {
  std::vector<at::Tensor> rows;
  for (const at::Tensor& part : parts) rows.push_back(part.cpu());
  seen[{layer, static_cast<char>(kind)}] = at::cat(rows).to(at::kFloat);
}

void expect_same_bits(const Recorder& got, const Recorder& expected) {
  ASSERT_FALSE(expected.seen.empty());
  ASSERT_EQ(got.seen.size(), expected.seen.size());
  for (const auto& [key, vectors] : expected.seen)
    EXPECT_TRUE(at::equal(got.seen.at(key), vectors)) << "layer " << key.first << key.second;
}

std::vector<int32_t> some_ids(int64_t count, int32_t seed) {
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < count; ++i)
    ids.push_back(static_cast<int32_t>((seed * 31 + i * i * 7 + i) % 64));
  return ids;
}

models::PackedTokens pack(const std::vector<std::vector<int32_t>>& documents) {
  models::PackedTokens tokens;
  for (const auto& ids : documents) {
    tokens.ids.insert(tokens.ids.end(), ids.begin(), ids.end());
    tokens.offsets.push_back(static_cast<int64_t>(tokens.ids.size()));
  }
  return tokens;
}

Recorder run(models::Decoder& decoder, const std::vector<std::vector<int32_t>>& documents) {
  Recorder recorder;
  decoder.prefill(pack(documents), recorder);
  return recorder;
}

std::vector<models::WantedLayer> everything(const models::ModelDescription& model) {
  std::vector<models::WantedLayer> wanted;
  for (const models::Layer& layer : model.spec.layers)
    wanted.push_back({layer.attention, layer.attention});
  return wanted;
}

}  // namespace qk::test
