#pragma once
/// What a scalar of a YAML file means, as PyYAML's safe loader sees it (YAML 1.1 with PyYAML's own
/// narrowings). Source: PyYAML 6.0 yaml/resolver.py and yaml/constructor.py.
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace qk::sniffer {

enum class ScalarKind {
  Null,
  Bool,
  Integer,
  HugeInteger,  ///< an integer that int64 can't hold
  Float,
  Timestamp,
  Text,
};

struct Scalar {
  ScalarKind kind = ScalarKind::Null;
  nlohmann::json value;  ///< null, bool, int64, double or text; the text as written for HugeInteger
                         ///< and Timestamp
};

/// A scalar without quotes and without a tag: `yes` is true, `010` is 8, `1:30` is 90, `1e5` is
/// text.
Scalar resolve_plain(std::string_view text);

/// A float as Python's float() reads it ("1e5", "2", "1_000.5"), for `!!float` and for hints. Text
/// when it is none.
Scalar read_as_float(std::string_view text);

/// The shortest text of a float that resolve_plain reads back to the same float.
std::string float_text(double value);

}  // namespace qk::sniffer
