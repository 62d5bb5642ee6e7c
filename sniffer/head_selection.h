#pragma once
/// Which heads of which layers are captured.
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sniffer/config.h"

namespace qk::sniffer {

/// What the decoder tells about one layer of the model's full layer list.
struct LayerInfo {
  int64_t query_heads = 0;
  int64_t key_heads = 0;                  ///< divides query_heads
  std::optional<int64_t> sliding_window;  ///< as recorded in the rows; nullopt: full attention
  bool samples_as_full = true;  ///< head sampling with full_attention_only counts it as a candidate
  bool has_attention = true;    ///< false (cross-attention): never captured, but still a candidate
};

/// Heads captured in one layer. Empty vectors: nothing of that kind.
struct SelectedLayer {
  int64_t layer = 0;
  std::vector<int64_t> query_heads;  ///< ascending
  std::vector<int64_t> key_heads;    ///< ascending

  bool operator==(const SelectedLayer&) const = default;
};

/// Layers with at least one captured head, ascending.
///
/// Without head_sampling, `heads` filters the query heads and the key heads of every captured layer
/// by the same numbers. With it, `heads` filters query heads only; (layer, query head) pairs are
/// drawn and each brings the key head that serves it. An empty list means all, as null does.
///
/// full_attention_only drops layers twice, by facts that disagree for some families: candidates of
/// the draw by samples_as_full, captured layers by sliding_window.
///
/// Throws ConfigError with the config path, the value and what is allowed: unknown layer or head,
/// count < 1, nothing left to capture (and which settings left nothing).
std::vector<SelectedLayer> select_heads(const CaptureConfig& capture,
                                        const std::vector<LayerInfo>& layers);

/// What the dataset card tells about a draw: label, value, in the order to print. Counts the draw
/// itself, heads of layers that are not captured included. Empty without head_sampling.
using HeadSamplingFacts = std::vector<std::pair<std::string, std::string>>;
HeadSamplingFacts head_sampling_facts(const CaptureConfig& capture,
                                      const std::vector<LayerInfo>& layers);

}  // namespace qk::sniffer
