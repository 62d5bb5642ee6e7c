#pragma once
/// A set of characters with a search that looks at each character once.
#include <array>
#include <cstddef>
#include <string_view>

namespace qk::source {

class CharSet {
 public:
  constexpr explicit CharSet(std::string_view members) {
    for (const char c : members) has_[static_cast<unsigned char>(c)] = true;
  }

  constexpr void add(char c) { has_[static_cast<unsigned char>(c)] = true; }

  /// Index of the first member in the text; the text's size when there is none.
  size_t find_in(std::string_view text) const {
    size_t at = 0;
    while (at < text.size() && !has_[static_cast<unsigned char>(text[at])]) ++at;
    return at;
  }

 private:
  std::array<bool, 256> has_{};
};

}  // namespace qk::source
