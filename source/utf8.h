#pragma once
/// UTF-8: checking, and replacing what is invalid as Python's errors="replace" does.
#include <cstddef>
#include <string>
#include <string_view>

namespace qk::source {

/// True for well-formed UTF-8 (no overlong forms, no surrogates, nothing above U+10FFFF). NUL is
/// valid.
bool is_valid_utf8(std::string_view text);

/// Each maximal part of an ill-formed sequence becomes one U+FFFD. False: the text was valid and is
/// unchanged.
bool replace_invalid_utf8(std::string& text);

/// The code point at `at`, which moves behind it. The text must be valid and `at` at the start of a
/// character.
char32_t next_code_point(std::string_view text, size_t& at);

}  // namespace qk::source
