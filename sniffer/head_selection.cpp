#include "sniffer/head_selection.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <utility>

#include "base/error.h"
#include "sniffer/python_random.h"

namespace qk::sniffer {
namespace {

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

  HeadSamplingFacts facts() const {
    int64_t drawn_queries = 0, drawn_keys = 0, sliding = 0, excluded = 0;
    for (const auto& [layer, heads] : draw()) {
      drawn_queries += static_cast<int64_t>(heads.query_heads.size());
      drawn_keys += static_cast<int64_t>(heads.key_heads.size());
    }
    const int64_t count = static_cast<int64_t>(layers_.size());
    for (int64_t i = 0; i < count; ++i) {
      if (layers_[i].samples_as_full) continue;
      ++sliding;
      if (!capture_.full_attention_only || !admits(wanted_layers_, i)) continue;
      excluded += static_cast<int64_t>(filtered(wanted_heads_, layers_[i].query_heads).size());
    }
    const auto fact = [](const char* name, int64_t value) {
      return std::pair(fmt::format("head_sampling_{}", name), std::to_string(value));
    };
    return {{"head_sampling_strategy", "random_query"},
            fact("seed", capture_.head_sampling->seed),
            fact("requested_query_heads", capture_.head_sampling->count),
            fact("selected_query_heads", drawn_queries),
            fact("selected_key_heads", drawn_keys),
            fact("num_layers", count),
            fact("num_query_heads", layers_.front().query_heads),
            fact("num_key_heads", layers_.front().key_heads),
            fact("full_attention_only", capture_.full_attention_only),
            fact("sliding_layer_count", sliding),
            fact("full_layer_count", count - sliding),
            fact("sliding_candidates_excluded", excluded)};
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
           "one kind only, set capture.capture_keys or capture.capture_queries to false";
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

  struct Draw {
    Numbers query_heads, key_heads;
  };

  std::map<int64_t, Draw> draw() const {
    const auto [count, seed] = *capture_.head_sampling;
    if (count < 1) {
      throw ConfigError("capture.head_sampling.count: {}; it must be at least 1", count);
    }
    const std::vector<Candidate> all = candidates();
    const int64_t population = static_cast<int64_t>(all.size());
    std::vector<int64_t> drawn(all.size());
    std::iota(drawn.begin(), drawn.end(), 0);
    if (count < population) drawn = python_sample(seed, population, count);

    std::map<int64_t, Draw> draws;
    for (const int64_t index : drawn) {
      const auto [i, head] = all[index];
      draws[i].query_heads.insert(head);
      draws[i].key_heads.insert(head / (layers_[i].query_heads / layers_[i].key_heads));
    }
    return draws;
  }

  std::vector<SelectedLayer> sampled() const {
    std::vector<SelectedLayer> selected;
    for (const auto& [i, heads] : draw()) {
      if (!is_captured(layers_[i])) continue;
      SelectedLayer& layer = selected.emplace_back();
      layer.layer = i;
      if (capture_.capture_queries) {
        layer.query_heads.assign(heads.query_heads.begin(), heads.query_heads.end());
      }
      if (capture_.capture_keys) {
        layer.key_heads.assign(heads.key_heads.begin(), heads.key_heads.end());
      }
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
          "model declares a sliding window for every layer in question ({}). Set it to false or "
          "choose other layers in capture.layers",
          wanted);
    }
    const bool unlucky = cross + sliding < wanted;
    throw ConfigError(
        "capture: nothing to capture. Of {} layers{}, {} have no self-attention and {} have a "
        "sliding window (left out by capture.full_attention_only: {}){}. {}",
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

std::vector<SelectedLayer> select_heads(const CaptureConfig& capture,
                                        const std::vector<LayerInfo>& layers) {
  QK_ASSERT(!layers.empty());
  return Selection(capture, layers).run();
}

HeadSamplingFacts head_sampling_facts(const CaptureConfig& capture,
                                      const std::vector<LayerInfo>& layers) {
  if (!capture.head_sampling) return {};
  QK_ASSERT(!layers.empty());
  return Selection(capture, layers).facts();
}

}  // namespace qk::sniffer
