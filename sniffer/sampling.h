#pragma once
/// Which positions are kept. Deterministic: the same positions on every machine, for any batch size
/// and thread count. Generators and float32 arithmetic as PyTorch's CPU generator has them.
/// docs/format.md tells the meaning of bucket and position.
#include <cstdint>
#include <optional>
#include <vector>

#include "sniffer/config.h"

namespace qk::sniffer {

/// Seed of the mask of one (example, layer, kind); every head of the kind shares it.
/// example_id: the full 64 bits. kind: 'q' or 'k'.
uint64_t batch_seed(int64_t example_id, int64_t layer, char kind);

/// The float32 uniforms in [0, 1) that torch.rand(count) draws on a CPU after manual_seed(seed).
std::vector<float> torch_uniforms(uint64_t seed, int64_t count);

/// torch.randperm(count) on a CPU after manual_seed(seed). count < 2^32 / 20: PyTorch shuffles
/// longer ones with another generator width.
std::vector<int64_t> torch_randperm(uint64_t seed, int64_t count);

/// The positions of a document that become rows.
///
///   sampler       bucket of position p                  kept with probability
///   log_uniform   max(P, floor(log2(p + 1)))            min(1, base_rate / 2^bucket)
///   uniform       floor(p / min_bucket_size)            min(1, base_rate / min_bucket_size)
///   all           floor(p / min_bucket_size)            1
///
/// with 2^P the least power of two that is not below min_bucket_size.
class PositionSampler {
 public:
  /// min_bucket_size and max_rows: at least 1.
  PositionSampler(const SamplerConfig& sampler, int64_t min_bucket_size,
                  std::optional<int64_t> max_rows);

  int32_t bucket(int64_t position) const;
  float probability(int64_t position) const;

  /// Kept positions of a document with `length` tokens, in the order of the rows: ascending, unless
  /// there are more than max_rows; then the first max_rows of a permutation of them.
  /// first_head: the lowest captured head of (layer, kind); it enters the seed of the permutation.
  /// Safe to call from many threads at once.
  std::vector<int32_t> select(int64_t example_id, int64_t layer, char kind, int64_t first_head,
                              int64_t length) const;

 private:
  std::vector<int32_t> draw(uint64_t seed, int32_t length) const;
  int32_t end_of_equal_probability(int32_t begin, int32_t length) const;

  SamplerType type_;
  float base_rate_;
  int64_t min_bucket_size_;
  int32_t min_power_;
  std::optional<int64_t> max_rows_;
};

}  // namespace qk::sniffer
