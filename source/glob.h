#pragma once
/// File name patterns of dataset cards. Paths are relative, parts separated by '/'.
/// Source: fsspec 2023.12+ glob, as `datasets` 4/5 use it.
#include <string_view>

namespace qk::source {

/// `*` a run without '/', `?` one character, `[abc]` `[a-c]` `[!a]` a class; `**` as a whole part
/// any number of parts (as the last part at least one). Case-sensitive.
bool glob_matches(std::string_view pattern, std::string_view path);

/// True when the pattern holds a wildcard; otherwise it is a plain path.
bool is_glob(std::string_view pattern);

}  // namespace qk::source
