#pragma once
/// Passes are cut into token tiles, and everything but attention works tile by tile. On a CPU a
/// tile is a part of one document, on one thread with single-threaded products; on a GPU all tiles
/// have the same number of rows, whatever documents they hold. Either way the shape of a row's
/// products depends on its document alone, and so do its bits: not on the number of threads, not on
/// which other documents share the pass.
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <c10/core/InferenceMode.h>

#include <atomic>
#include <cstdint>
#include <vector>

#include "kernels/linear.h"

namespace qk::models {

/// Rows begin .. begin + tokens of the pass.
struct Tile {
  int64_t begin = 0;
  int64_t tokens = 0;
};

/// Tiles for a CPU of documents whose rows are offsets[d] .. offsets[d + 1]; equal in size within a
/// document, up to rounding.
std::vector<Tile> cut_documents(const std::vector<int64_t>& offsets);

/// Tiles for a GPU that hold `rows`, the largest first; the last one may reach beyond them.
/// sizes: descending.
std::vector<Tile> cut_rows(int64_t rows, const std::vector<int64_t>& sizes);

/// The rows of a pass that one of its parts holds, and its tiles, which count from its first row.
struct PartRows {
  int64_t begin = 0;   ///< in the pass
  int64_t tokens = 0;  ///< may be 0
  std::vector<Tile> tiles;

  /// With what the last tile holds beyond the tokens.
  int64_t padded() const { return tiles.empty() ? 0 : tiles.back().begin + tiles.back().tokens; }
};

/// Each of `parts` parts gets some consecutive tiles of cut_documents(), about as many rows as the
/// others.
std::vector<PartRows> share_documents(const std::vector<int64_t>& offsets, size_t parts);

/// Each of `parts` parts gets some consecutive rows, cut by cut_rows(): a multiple of the smallest
/// size, but for the last.
std::vector<PartRows> share_rows(int64_t rows, const std::vector<int64_t>& sizes, size_t parts);

/// Of largest, largest / 2, ...: the sizes of tiles whose products with weights of each of these
/// shapes [features, in] give a row the same bits as a tile of `largest` rows does. On a GPU the
/// library chooses its kernel by the shape; where it takes one that sums in another order, the size
/// is left out.
std::vector<int64_t> equal_tile_sizes(const std::vector<std::vector<int64_t>>& shapes,
                                      const at::TensorOptions& options, int64_t largest);

/// Calls work(tile) for every tile: on a CPU from all of ATen's threads, the next free thread
/// taking the next tile; on a GPU one after another. Rethrows the first exception.
template <typename Work>
void for_each_tile(const std::vector<Tile>& tiles, at::Device device, const Work& work) {
  if (!device.is_cpu()) {
    for (const Tile& tile : tiles) work(tile);
    return;
  }
  std::atomic<size_t> next{0};
  at::parallel_for(0, at::get_num_threads(), 1, [&](int64_t, int64_t) {
    const c10::InferenceMode inference;
    const kernels::ProductsOnThisThread alone;
    for (size_t i = next++; i < tiles.size(); i = next++) work(tiles[i]);
  });
}

}  // namespace qk::models
