#include "models/tiles.h"

#include <ATen/ATen.h>

#include <algorithm>

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

std::vector<PartRows> share_documents(const std::vector<int64_t>& offsets, size_t parts) {
  const auto count = static_cast<int64_t>(parts);
  std::vector<PartRows> shares(parts);
  for (const Tile& tile : cut_documents(offsets)) {
    const int64_t middle = tile.begin + tile.tokens / 2;
    PartRows& share = shares[static_cast<size_t>(middle * count / offsets.back())];
    share.tiles.push_back({share.tokens, tile.tokens});
    share.tokens += tile.tokens;
  }
  for (size_t p = 1; p < parts; ++p) shares[p].begin = shares[p - 1].begin + shares[p - 1].tokens;
  return shares;
}

std::vector<PartRows> share_rows(int64_t rows, const std::vector<int64_t>& sizes, size_t parts) {
  const auto count = static_cast<int64_t>(parts);
  const int64_t unit = sizes.back(), units = (rows + unit - 1) / unit;
  std::vector<PartRows> shares;
  for (int64_t p = 0; p < count; ++p) {
    const int64_t begin = std::min(rows, units * p / count * unit);
    const int64_t end = std::min(rows, units * (p + 1) / count * unit);
    shares.push_back(
        {.begin = begin, .tokens = end - begin, .tiles = cut_rows(end - begin, sizes)});
  }
  return shares;
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
