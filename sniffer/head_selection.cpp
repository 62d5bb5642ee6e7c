#include "sniffer/head_selection.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <unordered_set>

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

using Numbers = std::set<int64_t>;

/// The numbers of a list that may be null or empty for "all".
Numbers numbers_of(const std::optional<std::vector<int64_t>>& list) {
  return list ? Numbers(list->begin(), list->end()) : Numbers();
}

bool admits(const Numbers& filter, int64_t number) {
  return filter.empty() || filter.contains(number);
}

/// The numbers in [0, count) that the filter admits.
std::vector<int64_t> filtered(const Numbers& filter, int64_t count) {
  std::vector<int64_t> numbers;
  for (int64_t number = 0; number < count; ++number) {
    if (admits(filter, number)) numbers.push_back(number);
  }
  return numbers;
}

/// Members of the filter that are not in [0, count).
std::vector<int64_t> unknown_in(const Numbers& filter, int64_t count) {
  std::vector<int64_t> unknown;
  std::ranges::copy_if(filter, std::back_inserter(unknown),
                       [&](int64_t number) { return number < 0 || number >= count; });
  return unknown;
}

class Selection {
 public:
  Selection(const CaptureConfig& capture, const std::vector<LayerInfo>& layers)
      : capture_(capture),
        layers_(layers),
        wanted_layers_(numbers_of(capture.layers)),
        wanted_heads_(numbers_of(capture.heads)) {}

  std::vector<SelectedLayer> run() const {
    if (!capture_.capture_queries && !capture_.capture_keys) {
      throw ConfigError(
          "capture.capture_queries and capture.capture_keys are both false: nothing to capture. "
          "Set at least one of them to true");
    }
    const int64_t count = static_cast<int64_t>(layers_.size());
    if (const auto unknown = unknown_in(wanted_layers_, count); !unknown.empty()) {
      throw ConfigError("capture.layers: no layer {}; this model has {} layers, numbered 0 to {}",
                        fmt::join(unknown, ", "), count, count - 1);
    }
    std::vector<SelectedLayer> selected = capture_.head_sampling ? sampled() : listed();
    if (selected.empty()) throw_nothing_left();
    return selected;
  }

 private:
  bool is_captured(const LayerInfo& layer) const {
    return layer.has_attention && !(capture_.full_attention_only && layer.sliding_window);
  }

  bool is_candidate(int64_t layer) const {
    return admits(wanted_layers_, layer) &&
           (!capture_.full_attention_only || layers_[layer].samples_as_full);
  }

  void check_heads(const char* kind, int64_t layer, int64_t count) const {
    const auto unknown = unknown_in(wanted_heads_, count);
    if (unknown.empty()) return;
    throw ConfigError(
        "capture.heads: no {} head {} in layer {}; it has {} {} heads, numbered 0 to {}{}", kind,
        fmt::join(unknown, ", "), layer, count, kind, count - 1, heads_hint());
  }

  std::string heads_hint() const {
    if (capture_.head_sampling) return "";
    if (!capture_.capture_queries || !capture_.capture_keys) return "";
    return ". Without capture.head_sampling the same numbers filter queries and keys; to capture "
           "one "
           "kind only, set capture.capture_keys or capture.capture_queries to false";
  }

  std::vector<SelectedLayer> listed() const {
    std::vector<SelectedLayer> selected;
    for (int64_t i = 0; i < static_cast<int64_t>(layers_.size()); ++i) {
      const LayerInfo& layer = layers_[i];
      if (!admits(wanted_layers_, i) || !is_captured(layer)) continue;
      SelectedLayer heads{.layer = i, .query_heads = {}, .key_heads = {}};
      if (capture_.capture_queries) {
        check_heads("query", i, layer.query_heads);
        heads.query_heads = filtered(wanted_heads_, layer.query_heads);
      }
      if (capture_.capture_keys) {
        check_heads("key", i, layer.key_heads);
        heads.key_heads = filtered(wanted_heads_, layer.key_heads);
      }
      selected.push_back(std::move(heads));
    }
    return selected;
  }

  struct Candidate {
    int64_t layer;
    int64_t head;
  };

  std::vector<Candidate> candidates() const {
    std::vector<Candidate> candidates;
    for (int64_t i = 0; i < static_cast<int64_t>(layers_.size()); ++i) {
      if (!is_candidate(i)) continue;
      check_heads("query", i, layers_[i].query_heads);
      for (const int64_t head : filtered(wanted_heads_, layers_[i].query_heads)) {
        candidates.push_back({i, head});
      }
    }
    return candidates;
  }

  std::vector<SelectedLayer> sampled() const {
    const auto [count, seed] = *capture_.head_sampling;
    if (count < 1) {
      throw ConfigError("capture.head_sampling.count: {}; it must be at least 1", count);
    }
    const std::vector<Candidate> all = candidates();
    const int64_t population = static_cast<int64_t>(all.size());
    std::vector<int64_t> drawn(all.size());
    std::iota(drawn.begin(), drawn.end(), 0);
    if (count < population) drawn = python_sample(seed, population, count);

    std::map<int64_t, std::pair<Numbers, Numbers>> heads_of_layer;
    for (const int64_t index : drawn) {
      const auto [i, head] = all[index];
      const LayerInfo& layer = layers_[i];
      if (!is_captured(layer)) continue;
      auto& [query_heads, key_heads] = heads_of_layer[i];
      if (capture_.capture_queries) query_heads.insert(head);
      if (capture_.capture_keys) key_heads.insert(head / (layer.query_heads / layer.key_heads));
    }
    std::vector<SelectedLayer> selected;
    for (const auto& [layer, heads] : heads_of_layer) {
      const auto& [query_heads, key_heads] = heads;
      selected.push_back({.layer = layer,
                          .query_heads = {query_heads.begin(), query_heads.end()},
                          .key_heads = {key_heads.begin(), key_heads.end()}});
    }
    return selected;
  }

  [[noreturn]] void throw_nothing_left() const {
    int64_t wanted = 0, candidates = 0, cross = 0, sliding = 0;
    for (int64_t i = 0; i < static_cast<int64_t>(layers_.size()); ++i) {
      if (!admits(wanted_layers_, i)) continue;
      ++wanted;
      candidates += is_candidate(i);
      cross += !layers_[i].has_attention;
      sliding += layers_[i].has_attention && !is_captured(layers_[i]);
    }
    if (capture_.head_sampling && candidates == 0) {
      throw ConfigError(
          "capture.full_attention_only: true leaves capture.head_sampling no head to draw: the "
          "model "
          "declares every layer in question ({}) a sliding window. Set it to false or choose other "
          "layers in capture.layers",
          wanted);
    }
    const bool unlucky = cross + sliding < wanted;
    throw ConfigError(
        "capture: nothing to capture. Of {} layers{}, {} have no self-attention and {} have a "
        "sliding "
        "window (left out by capture.full_attention_only: {}){}. {}",
        wanted, wanted_layers_.empty() ? "" : " in capture.layers", cross, sliding,
        capture_.full_attention_only,
        unlucky ? ", and every head that capture.head_sampling drew lies in one of those" : "",
        unlucky       ? "Raise capture.head_sampling.count"
        : sliding > 0 ? "Set capture.full_attention_only to false"
                      : "Choose other layers in capture.layers");
  }

  const CaptureConfig& capture_;
  const std::vector<LayerInfo>& layers_;
  const Numbers wanted_layers_;
  const Numbers wanted_heads_;
};

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

std::vector<SelectedLayer> select_heads(const CaptureConfig& capture,
                                        const std::vector<LayerInfo>& layers) {
  QK_ASSERT(!layers.empty());
  return Selection(capture, layers).run();
}

}  // namespace qk::sniffer
