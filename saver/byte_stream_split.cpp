#include "saver/byte_stream_split.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "base/error.h"

namespace qk::saver {
namespace {

constexpr size_t kBlock = 1024;  // a constant count lets the compiler use vector instructions

uint32_t float_bits_of_float16(uint16_t half) {
  constexpr float kRebias = 0x1p112f;  // exponent bias 127 less 15; also makes subnormals right
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t rest = static_cast<uint32_t>(half & 0x7fff) << 13;
  const uint32_t finite = std::bit_cast<uint32_t>(std::bit_cast<float>(rest) * kRebias);
  const bool special = (half & 0x7c00) == 0x7c00;  // infinity, NaN: the payload stays
  return sign | (special ? rest | 0x7f800000 : finite);
}

/// Moves byte b of each value to planes[b]; count <= kBlock.
template <typename Value>
void split_block(const Value* values, size_t count, std::array<std::byte*, sizeof(Value)> planes) {
  std::array<std::array<uint8_t, kBlock>, sizeof(Value)> split;
  for (size_t i = 0; i < kBlock; ++i) {
    for (size_t b = 0; b < sizeof(Value); ++b)
      split[b][i] = static_cast<uint8_t>(values[i] >> (8 * b));
  }
  for (size_t b = 0; b < sizeof(Value); ++b) std::memcpy(planes[b], split[b].data(), count);
}

template <typename Value, typename Block>
void for_each_block(std::span<const std::byte> bytes, Block&& block) {
  std::array<Value, kBlock> values{};
  const size_t count = bytes.size() / sizeof(Value);
  for (size_t at = 0; at < count; at += kBlock) {
    const size_t here = std::min(kBlock, count - at);
    std::memcpy(values.data(), bytes.data() + at * sizeof(Value), here * sizeof(Value));
    block(values.data(), at, here);
  }
}

}  // namespace

void split_bytes(std::span<const std::byte> bytes, VectorType type, std::span<std::byte> out) {
  const size_t count = bytes.size() / static_cast<size_t>(bytes_of(type));
  QK_ASSERT(out.size() == 4 * count);
  std::byte* const plane0 = out.data();
  const auto planes_at = [&](size_t at) {
    return std::array{plane0 + at, plane0 + count + at, plane0 + 2 * count + at,
                      plane0 + 3 * count + at};
  };
  switch (type) {
    case VectorType::Float32:
      for_each_block<uint32_t>(bytes, [&](const uint32_t* values, size_t at, size_t here) {
        split_block(values, here, planes_at(at));
      });
      return;
    case VectorType::BFloat16:  // the upper half of a float32
      std::fill(plane0, plane0 + 2 * count, std::byte{0});
      for_each_block<uint16_t>(bytes, [&](const uint16_t* values, size_t at, size_t here) {
        split_block(values, here, {plane0 + 2 * count + at, plane0 + 3 * count + at});
      });
      return;
    case VectorType::Float16:
      for_each_block<uint16_t>(bytes, [&](const uint16_t* values, size_t at, size_t here) {
        std::array<uint32_t, kBlock> wide;
        std::transform(values, values + kBlock, wide.begin(), float_bits_of_float16);
        split_block(wide.data(), here, planes_at(at));
      });
      return;
  }
}

}  // namespace qk::saver
