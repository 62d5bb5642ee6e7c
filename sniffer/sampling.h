#pragma once
/// Which positions are kept. Deterministic; float32 arithmetic and generators as PyTorch's CPU generator has them.
/// See docs/format.md for the meaning of bucket.
#include <cstdint>
#include <optional>
#include <vector>

#include "sniffer/config.h"

namespace qk::sniffer {

/// Seed of the mask of one (example, layer, kind). kind: 'q' or 'k'.
uint64_t batch_seed(int64_t example_id, int64_t layer, char kind);

/// The float32 uniforms in [0, 1) that a PyTorch CPU generator draws in one call after manual_seed(seed).
std::vector<float> torch_uniforms(uint64_t seed, int64_t count);

/// torch.randperm(count) of a PyTorch CPU generator after manual_seed(seed).
std::vector<int64_t> torch_randperm(uint64_t seed, int64_t count);

class PositionSampler {
 public:
  PositionSampler(const SamplerConfig& sampler, int64_t min_bucket_size, std::optional<int64_t> max_rows);

  int32_t bucket(int64_t position) const;
  float probability(int64_t position) const;

  /// Kept positions of a document with `length` tokens, in the order of the rows (ascending, unless max_rows cut them).
  /// first_head: the lowest captured head of (layer, kind); it enters the seed of the cut.
  std::vector<int32_t> select(int64_t example_id, int64_t layer, char kind, int64_t first_head, int64_t length) const;

 private:
  SamplerConfig sampler_;
  int64_t min_bucket_size_;
  std::optional<int64_t> max_rows_;
};

}  // namespace qk::sniffer
