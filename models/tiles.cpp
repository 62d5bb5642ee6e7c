#include "models/tiles.h"

#include <algorithm>

namespace qk::models {
namespace {

/// Tokens per tile: enough rows for an efficient product, few enough that short documents spread
/// over the threads.
constexpr int64_t kMaxTile = 512;
constexpr int64_t kRounding = 16;  ///< rows of the products' inner kernels

}  // namespace

std::vector<Tile> cut_tiles(const std::vector<int64_t>& offsets) {
  std::vector<Tile> tiles;
  for (size_t d = 0; d + 1 < offsets.size(); ++d) {
    const int64_t length = offsets[d + 1] - offsets[d];
    if (length == 0) continue;
    const int64_t count = (length + kMaxTile - 1) / kMaxTile;
    const int64_t even = (length + count - 1) / count;
    const int64_t step = (even + kRounding - 1) / kRounding * kRounding;
    for (int64_t position = 0; position < length; position += step) {
      tiles.push_back({d, offsets[d] + position, position, std::min(step, length - position)});
    }
  }
  return tiles;
}

}  // namespace qk::models
