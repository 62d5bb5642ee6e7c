#include "sniffer/sampling.h"

#include <ATen/core/MT19937RNGEngine.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <ranges>
#include <span>
#include <utility>

#include "base/error.h"

namespace qk::sniffer {
namespace {

constexpr uint32_t kUniformBits = 24;  // of a 32-bit draw; the width of a float32 mantissa
constexpr uint32_t kUniformMask = (1u << kUniformBits) - 1;
constexpr int64_t kShuffleLimit = std::numeric_limits<uint32_t>::max() / 20;

// PyTorch's CPU generator is this engine, seeded with the low half of the seed.
at::mt19937 torch_generator(uint64_t seed) { return at::mt19937(static_cast<uint32_t>(seed)); }

uint64_t mix(uint64_t x) {
  x ^= x >> 30;
  x *= 0xBF58476D1CE4E5B9u;
  x ^= x >> 27;
  x *= 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

uint64_t cut_seed(int64_t example_id, int64_t layer, char kind, int64_t first_head) {
  return (static_cast<uint64_t>(layer) & 0xFFFF) ^
         ((static_cast<uint64_t>(first_head) & 0xFFFF) << 16) ^
         (static_cast<uint64_t>(kind) << 32) ^ (static_cast<uint64_t>(example_id) << 40);
}

// The least integer m such that a draw's low 24 bits k satisfy k * 2^-24 < probability iff k < m.
// Exact: scaling a float by a power of two does not round.
uint32_t threshold_of(float probability) {
  return static_cast<uint32_t>(std::ceil(std::ldexp(probability, kUniformBits)));
}

// Puts the first `take` items of torch.randperm's order in front. Fisher-Yates from the left: item
// i is final after step i, so a cut needs no more than `take` steps.
template <typename T>
void shuffle_front(std::span<T> items, int64_t take, uint64_t seed) {
  const auto size = static_cast<int64_t>(items.size());
  QK_ASSERT(size < kShuffleLimit);
  at::mt19937 engine = torch_generator(seed);
  for (int64_t i = 0; i < std::min(take, size - 1); ++i) {
    std::swap(items[i], items[i + engine() % (size - i)]);
  }
}

}  // namespace

uint64_t batch_seed(int64_t example_id, int64_t layer, char kind) {
  uint64_t seed = 0x243F6A8885A308D3u;
  for (const int64_t part : {example_id, layer, static_cast<int64_t>(kind)}) {
    seed ^= mix(static_cast<uint64_t>(part));
    seed *= 0x9E3779B97F4A7C15u;
    seed ^= seed >> 32;
  }
  return seed;
}

std::vector<float> torch_uniforms(uint64_t seed, int64_t count) {
  at::mt19937 engine = torch_generator(seed);
  std::vector<float> uniforms(static_cast<size_t>(count));
  for (float& u : uniforms) {
    u = static_cast<float>(engine() & kUniformMask) * 0x1p-24f;
  }
  return uniforms;
}

std::vector<int64_t> torch_randperm(uint64_t seed, int64_t count) {
  std::vector<int64_t> permutation(static_cast<size_t>(count));
  std::iota(permutation.begin(), permutation.end(), 0);
  shuffle_front(std::span(permutation), count, seed);
  return permutation;
}

PositionSampler::PositionSampler(const SamplerConfig& sampler, int64_t min_bucket_size,
                                 std::optional<int64_t> max_rows)
    : type_(sampler.type),
      base_rate_(static_cast<float>(sampler.base_rate)),
      min_bucket_size_(min_bucket_size),
      min_power_(std::bit_width(static_cast<uint64_t>(min_bucket_size - 1))),
      max_rows_(max_rows) {
  QK_ASSERT(min_bucket_size >= 1);
  QK_ASSERT(base_rate_ >= 0.0f);
  QK_ASSERT(!max_rows || *max_rows >= 1);
}

int32_t PositionSampler::bucket(int64_t position) const {
  if (type_ != SamplerType::LogUniform) {
    return static_cast<int32_t>(position / min_bucket_size_);
  }
  // In float32 on purpose. From 2^21 - 1 on, log2 of a number just below a power of two rounds up
  // to the power, here as in PyTorch; an integer bit width would differ there.
  const float power = std::floor(std::log2(static_cast<float>(position + 1)));
  return std::max(min_power_, static_cast<int32_t>(power));
}

float PositionSampler::probability(int64_t position) const {
  switch (type_) {
    case SamplerType::LogUniform:
      return std::min(1.0f, std::ldexp(base_rate_, -bucket(position)));
    case SamplerType::Uniform:
      return std::min(1.0f, base_rate_ / static_cast<float>(min_bucket_size_));
    case SamplerType::All:
      return 1.0f;
  }
  throw InternalError("unknown sampler type {}", static_cast<int>(type_));
}

std::vector<int32_t> PositionSampler::select(int64_t example_id, int64_t layer, char kind,
                                             int64_t first_head, int64_t length) const {
  QK_ASSERT(length >= 0 && length < std::numeric_limits<int32_t>::max());
  std::vector<int32_t> kept =
      draw(batch_seed(example_id, layer, kind), static_cast<int32_t>(length));
  if (max_rows_ && static_cast<int64_t>(kept.size()) > *max_rows_) {
    shuffle_front(std::span(kept), *max_rows_, cut_seed(example_id, layer, kind, first_head));
    kept.resize(static_cast<size_t>(*max_rows_));
  }
  return kept;
}

std::vector<int32_t> PositionSampler::draw(uint64_t seed, int32_t length) const {
  std::vector<int32_t> kept;
  if (length == 0) return kept;
  // Probabilities never rise along a document: if the last is 1, no draw can matter.
  if (probability(length - 1) >= 1.0f) {
    kept.resize(static_cast<size_t>(length));
    std::iota(kept.begin(), kept.end(), 0);
    return kept;
  }
  at::mt19937 engine = torch_generator(seed);
  for (int32_t begin = 0; begin < length;) {
    const int32_t end = end_of_equal_probability(begin, length);
    const uint32_t threshold = threshold_of(probability(begin));
    for (int32_t position = begin; position < end; ++position) {
      if ((engine() & kUniformMask) < threshold) kept.push_back(position);
    }
    begin = end;
  }
  return kept;
}

int32_t PositionSampler::end_of_equal_probability(int32_t begin, int32_t length) const {
  if (type_ != SamplerType::LogUniform) return length;
  const auto positions = std::views::iota(begin, length);
  const auto same_bucket = [&, first = bucket(begin)](int32_t p) { return bucket(p) == first; };
  return begin + static_cast<int32_t>(std::ranges::partition_point(positions, same_bucket) -
                                      positions.begin());
}

}  // namespace qk::sniffer
