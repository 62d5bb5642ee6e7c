#pragma once
/// Example ids: the value of the id column as 64-bit integer. Rules: bool -> 0/1; an integer that
/// fits int64 -> itself; a float with an integral value -> that integer; anything else -> BLAKE2b
/// (8-byte digest) of Python's str() of it, read little-endian as a signed integer.
#include <cstdint>
#include <string>
#include <variant>

namespace qk::source {

/// A cell of the id column. monostate is null; the string is text, or Python's str() of any other
/// value.
using IdValue = std::variant<std::monostate, bool, int64_t, double, std::string>;

/// Python's str() of the value: None, True, 1e-05, nan, ...
std::string python_str(const IdValue& value);

int64_t example_id(const IdValue& value);

}  // namespace qk::source
