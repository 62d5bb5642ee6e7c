#pragma once
/// Documents are cut into token tiles. Everything but attention works tile by tile, each tile on
/// one thread with single-threaded products, so a tile's bits depend on its document alone: not on
/// the number of threads, not on which other documents share the pass.
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <atomic>
#include <cstdint>
#include <vector>

namespace qk::models {

struct Tile {
  size_t document = 0;
  int64_t begin = 0;     ///< first row in the pass
  int64_t position = 0;  ///< first position in the document
  int64_t tokens = 0;
};

/// Tiles of documents whose rows are offsets[d] .. offsets[d + 1]; equal in size within a document,
/// up to rounding.
std::vector<Tile> cut_tiles(const std::vector<int64_t>& offsets);

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
    for (size_t i = next++; i < tiles.size(); i = next++) work(tiles[i]);
  });
}

}  // namespace qk::models
