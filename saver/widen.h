#pragma once
/// Captured vectors to float32, exactly.
#include <cstddef>
#include <span>

#include "saver/rows.h"

namespace qk::saver {

/// bytes: out.size() values of `type`.
void widen(std::span<const std::byte> bytes, VectorType type, std::span<float> out);

}  // namespace qk::saver
