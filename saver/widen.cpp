#include "saver/widen.h"

#include <bit>
#include <cstdint>
#include <cstring>

#include "base/error.h"

namespace qk::saver {
namespace {

float from_bfloat16(uint16_t half) {
  return std::bit_cast<float>(static_cast<uint32_t>(half) << 16);
}

float from_float16(uint16_t half) {
  constexpr float kRebias = 0x1p112f;  // exponent bias 127 less 15; also makes subnormals right
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t rest = static_cast<uint32_t>(half & 0x7fff) << 13;
  const uint32_t finite = std::bit_cast<uint32_t>(std::bit_cast<float>(rest) * kRebias);
  const bool special = (half & 0x7c00) == 0x7c00;  // infinity, NaN: the payload stays
  return std::bit_cast<float>(sign | (special ? rest | 0x7f800000 : finite));
}

template <float (*kConvert)(uint16_t)>
void widen_halves(const std::byte* bytes, std::span<float> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    uint16_t half;
    std::memcpy(&half, bytes + i * sizeof(half), sizeof(half));
    out[i] = kConvert(half);
  }
}

}  // namespace

void widen(std::span<const std::byte> bytes, VectorType type, std::span<float> out) {
  QK_ASSERT(bytes.size() == out.size() * static_cast<size_t>(bytes_of(type)));
  switch (type) {
    case VectorType::Float32:
      std::memcpy(out.data(), bytes.data(), bytes.size());
      return;
    case VectorType::BFloat16:
      return widen_halves<from_bfloat16>(bytes.data(), out);
    case VectorType::Float16:
      return widen_halves<from_float16>(bytes.data(), out);
  }
}

}  // namespace qk::saver
