#include "models/tiles.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "kernels/linear.h"

namespace qk::models {
namespace {

/// Tokens per tile: enough rows for an efficient product, few enough that short documents spread
/// over the threads.
constexpr int64_t kMaxTile = 512;
constexpr int64_t kRounding = 16;  ///< rows of the products' inner kernels

constexpr int64_t kMinGpuTile = 256;

}  // namespace

std::vector<Tile> cut_documents(const std::vector<int64_t>& offsets) {
  std::vector<Tile> tiles;
  for (size_t d = 0; d + 1 < offsets.size(); ++d) {
    const int64_t length = offsets[d + 1] - offsets[d];
    if (length == 0) continue;
    const int64_t count = (length + kMaxTile - 1) / kMaxTile;
    const int64_t even = (length + count - 1) / count;
    const int64_t step = (even + kRounding - 1) / kRounding * kRounding;
    for (int64_t position = 0; position < length; position += step) {
      tiles.push_back({offsets[d] + position, std::min(step, length - position)});
    }
  }
  return tiles;
}

std::vector<Tile> cut_rows(int64_t rows, const std::vector<int64_t>& sizes) {
  std::vector<Tile> tiles;
  for (int64_t begin = 0; begin < rows;) {
    const auto fits = std::ranges::find_if(sizes, [&](int64_t s) { return s <= rows - begin; });
    const int64_t size = fits == sizes.end() ? sizes.back() : *fits;
    tiles.push_back({begin, size});
    begin += size;
  }
  return tiles;
}

std::vector<int64_t> equal_tile_sizes(const std::vector<std::vector<int64_t>>& shapes,
                                      const at::TensorOptions& options, int64_t largest) {
  std::vector<int64_t> sizes;
  for (int64_t size = largest; size >= kMinGpuTile; size /= 2) sizes.push_back(size);
  for (const std::vector<int64_t>& shape : shapes) {
    const at::Tensor weight = at::randn(shape, options);
    const at::Tensor x = at::randn({largest, weight.size(1)}, options);
    at::Tensor whole = at::empty({largest, weight.size(0)}, options);
    kernels::linear_out(whole, x, weight, {});
    std::erase_if(sizes, [&](int64_t size) {
      at::Tensor part = at::empty({size, weight.size(0)}, options);
      const int64_t begin = largest - size;  // the other end: a row's place must not matter either
      kernels::linear_out(part, x.narrow(0, begin, size), weight, {});
      return !at::equal(part, whole.narrow(0, begin, size));
    });
  }
  return sizes;
}

}  // namespace qk::models
