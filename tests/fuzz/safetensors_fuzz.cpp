/// Any bytes are a sound safetensors file or a CheckpointError; each tensor of a sound one lies
/// inside the bytes.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "checkpoint/safetensors.h"

namespace {

using qk::checkpoint::SafetensorsFile;

void check(std::span<const std::byte> bytes) {
  try {
    const SafetensorsFile file = SafetensorsFile::parse(bytes, "fuzz.safetensors");
    int64_t seen = 0;
    for (const auto& [name, tensor] : file.tensors()) {
      int64_t expected = qk::checkpoint::bytes_of(tensor.dtype);
      for (const int64_t size : tensor.shape) expected *= size;
      QK_ASSERT(tensor.bytes == expected);
      QK_ASSERT(tensor.data >= bytes.data());
      QK_ASSERT(tensor.data + tensor.bytes <= bytes.data() + bytes.size());
      seen += tensor.bytes;
    }
    QK_ASSERT(seen <= static_cast<int64_t>(bytes.size()));
  } catch (const qk::CheckpointError&) {
  }
}

/// Sets the length to the last '}', so that damage to the header is seen in spite of a wrong
/// length.
void mend_length(std::vector<std::byte>& bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const size_t brace = text.rfind('}');
  if (brace == std::string_view::npos || brace < sizeof(uint64_t)) return;
  const uint64_t length = brace + 1 - sizeof(uint64_t);
  std::memcpy(bytes.data(), &length, sizeof length);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  check(bytes);
  std::vector<std::byte> mended(bytes.begin(), bytes.end());
  mend_length(mended);
  check(mended);
  return 0;
}
