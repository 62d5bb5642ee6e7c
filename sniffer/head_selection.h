#pragma once
/// Which heads of which layers are captured.
#include <cstdint>
#include <optional>
#include <vector>

#include "sniffer/config.h"

namespace qk::sniffer {

/// What the decoder tells about one layer of the model's full layer list.
struct LayerInfo {
  int64_t query_heads = 0;
  int64_t key_heads = 0;
  std::optional<int64_t> sliding_window;  ///< as recorded in the rows; nullopt: full attention
  bool samples_as_full = true;            ///< head sampling with full_attention_only counts it as a candidate
  bool has_attention = true;              ///< false: never captured (cross-attention layers), but still a candidate
};

/// Heads captured in one layer. Empty vectors: nothing of that kind.
struct SelectedLayer {
  int64_t layer = 0;
  std::vector<int64_t> query_heads;  ///< ascending
  std::vector<int64_t> key_heads;    ///< ascending
};

/// Python's random.Random(seed).sample(range(population), count).
std::vector<int64_t> python_sample(int64_t seed, int64_t population, int64_t count);

/// Layers with at least one captured head, ascending. Throws ConfigError naming key and value: unknown layer or head,
/// count < 1, nothing left to capture.
std::vector<SelectedLayer> select_heads(const CaptureConfig& capture, const std::vector<LayerInfo>& layers);

}  // namespace qk::sniffer
