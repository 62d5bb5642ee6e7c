#pragma once
/// What the decoder's tests run and keep.
#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "models/decoder.h"

namespace qk::test {

/// Keeps everything it is shown, by layer and kind, as float32 on the CPU.
class Recorder : public models::AttentionTap {
 public:
  void take(int64_t layer, models::Kind kind, std::span<const at::Tensor> parts) override;

  std::map<std::pair<int64_t, char>, at::Tensor> seen;
};

/// That both have seen the same layers and kinds, with the same bits.
void expect_same_bits(const Recorder& got, const Recorder& expected);

/// Token ids below 64.
std::vector<int32_t> some_ids(int64_t count, int32_t seed);

models::PackedTokens pack(const std::vector<std::vector<int32_t>>& documents);

Recorder run(models::Decoder& decoder, const std::vector<std::vector<int32_t>>& documents);

/// Queries and keys of all layers that attend.
std::vector<models::WantedLayer> everything(const models::ModelDescription& model);

}  // namespace qk::test
