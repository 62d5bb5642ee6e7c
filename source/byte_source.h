#pragma once
/// Bytes of a data file that does not lie on this disk.
#include <cstdint>
#include <string>

namespace qk::source {

/// Thread-compatible: one thread at a time.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual int64_t bytes() = 0;

  /// The bytes from `offset` on, `count` of them or up to the end. May throw qk::Error.
  virtual std::string read_at(int64_t offset, int64_t count) = 0;
};

}  // namespace qk::source
