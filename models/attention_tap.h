#pragma once
/// The one place where queries and keys leave the decoder.
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace qk::models {

enum class Kind : char { Query = 'q', Key = 'k' };

/// Which vectors a run wants, known before any weight is loaded: nothing above the last wanted
/// layer is loaded or computed, and in that layer only the projections that are wanted.
struct WantedLayer {
  bool queries = false;
  bool keys = false;
  bool any() const { return queries || keys; }
};

/// Layers that are loaded and computed: up to the last wanted one.
inline size_t computed_layers(const std::vector<WantedLayer>& wanted) {
  const auto last = std::find_if(wanted.rbegin(), wanted.rend(),
                                 [](const WantedLayer& layer) { return layer.any(); });
  return static_cast<size_t>(wanted.rend() - last);
}

class AttentionTap {
 public:
  virtual ~AttentionTap() = default;

  /// Rows of the pass, ascending, of which alone the last wanted layer is shown; nullopt: all.
  /// Asked once per pass, before the layer below it. What only the other rows need is not computed.
  virtual std::optional<std::vector<int32_t>> rows_of_last_layer() { return std::nullopt; }

  /// Called once per wanted (layer, kind) of a pass, in ascending order of layers, queries before
  /// keys. parts: one per device that has rows of the layer, on that device, [tokens of the part,
  /// heads, head_dim], any float dtype; together the tokens of the pass in their order (of the last
  /// wanted layer rows_of_last_layer()), a part may have none. With Split::Layers one, on the
  /// layer's device. Keys are not repeated for grouped queries. The memory is reused after the call
  /// returns.
  virtual void take(int64_t layer, Kind kind, std::span<const at::Tensor> parts) = 0;
};

}  // namespace qk::models
