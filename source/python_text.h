#pragma once
/// Python's str() and repr() of single values, as CPython 3 writes them.
#include <cstdint>
#include <string>
#include <string_view>

namespace qk::source {

/// repr(float), which is also str(float): the shortest digits that read back equal; 1e-05,
/// 1e+16, 3.0, -0.0, inf, nan.
std::string python_float(double value);

/// repr(str) of valid UTF-8: 'abc', "it's", '\n', '\xa0'. Unassigned code points count as
/// printable.
std::string python_quoted(std::string_view text);

/// repr(bytes), which is also str(bytes): b'\x00abc'.
std::string python_bytes(std::string_view bytes);

/// str(decimal.Decimal) of digits with the point moved `scale` places to the left: "150", 2
/// -> 1.50; "1", 8 -> 1E-8.
std::string python_decimal(std::string_view digits, int32_t scale);

}  // namespace qk::source
