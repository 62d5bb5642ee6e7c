#include "sniffer/python_random.h"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>
#include <random>
#include <unordered_set>
#include <utility>

#include "base/error.h"

namespace qk::sniffer {
namespace {

/// A seed sequence that gives std::mt19937 the state of the Mersenne Twister's init_by_array, which
/// is how Python seeds. Source: Matsumoto and Nishimura, mt19937ar.c (2002).
class InitByArray {
 public:
  using result_type = uint32_t;

  explicit InitByArray(std::vector<uint32_t> key) : key_(std::move(key)) {}

  template <typename Iterator>
  void generate(Iterator first, Iterator last) const {
    constexpr uint32_t kWords = std::mt19937::state_size;
    QK_ASSERT(last - first == kWords);
    std::array<uint32_t, kWords> state;
    state[0] = 19650218;
    for (uint32_t i = 1; i < kWords; ++i) state[i] = stir(state[i - 1], 1812433253) + i;

    uint32_t at = 1;
    const auto advance = [&] {
      if (++at < kWords) return;
      state[0] = state[kWords - 1];
      at = 1;
    };
    const uint32_t key_words = static_cast<uint32_t>(key_.size());
    for (uint32_t step = 0; step < std::max(kWords, key_words); ++step, advance()) {
      const uint32_t j = step % key_words;
      state[at] = (state[at] ^ stir(state[at - 1], 1664525)) + key_[j] + j;
    }
    for (uint32_t step = 1; step < kWords; ++step, advance()) {
      state[at] = (state[at] ^ stir(state[at - 1], 1566083941)) - at;
    }
    state[0] = 0x80000000;
    std::copy(state.begin(), state.end(), first);
  }

 private:
  static uint32_t stir(uint32_t word, uint32_t factor) { return (word ^ (word >> 30)) * factor; }

  std::vector<uint32_t> key_;
};

/// The part of Python's random.Random that sample() needs.
class PythonRandom {
 public:
  explicit PythonRandom(int64_t seed) {
    const uint64_t bits = static_cast<uint64_t>(seed);
    const uint64_t magnitude = seed < 0 ? 0 - bits : bits;
    std::vector<uint32_t> key{static_cast<uint32_t>(magnitude)};
    if (magnitude >> 32 != 0) key.push_back(static_cast<uint32_t>(magnitude >> 32));
    InitByArray sequence(std::move(key));
    engine_.seed(sequence);
  }

  /// A number in [0, limit); 1 <= limit < 2^32.
  int64_t below(int64_t limit) {
    const int width = std::bit_width(static_cast<uint32_t>(limit));
    int64_t number;
    do {
      number = static_cast<int64_t>(engine_() >> (32 - width));
    } while (number >= limit);
    return number;
  }

 private:
  std::mt19937 engine_;
};

/// Up to this population Python draws from a pool, above it from the whole with repeats rejected.
int64_t pool_limit(int64_t count) {
  if (count <= 5) return 21;
  int64_t power_of_four = 1;
  while (power_of_four < 3 * count) power_of_four *= 4;
  return 21 + power_of_four;
}

}  // namespace

std::vector<int64_t> python_sample(int64_t seed, int64_t population, int64_t count) {
  QK_ASSERT(count >= 0 && count <= population && population <= UINT32_MAX);
  PythonRandom random(seed);
  std::vector<int64_t> sample;
  sample.reserve(static_cast<size_t>(count));
  if (population <= pool_limit(count)) {
    std::vector<int64_t> pool(static_cast<size_t>(population));
    std::iota(pool.begin(), pool.end(), 0);
    for (int64_t left = population; left > population - count; --left) {
      const int64_t j = random.below(left);
      sample.push_back(pool[j]);
      pool[j] = pool[left - 1];
    }
    return sample;
  }
  std::unordered_set<int64_t> drawn;
  while (static_cast<int64_t>(sample.size()) < count) {
    const int64_t j = random.below(population);
    if (drawn.insert(j).second) sample.push_back(j);
  }
  return sample;
}

}  // namespace qk::sniffer
