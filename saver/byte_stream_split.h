#pragma once
/// Captured vectors as float32 in Parquet's encoding BYTE_STREAM_SPLIT: first byte 0 of all values,
/// then byte 1, ... Source: apache/parquet-format, Encodings.md.
#include <cstddef>
#include <span>

#include "saver/rows.h"

namespace qk::saver {

/// bytes: values of `type`. out: 4 bytes for each of them. Widening to float32 is exact.
void split_bytes(std::span<const std::byte> bytes, VectorType type, std::span<std::byte> out);

}  // namespace qk::saver
