#include "source/glob.h"

#include <optional>
#include <string>
#include <vector>

namespace qk::source {
namespace {

std::vector<std::string_view> parts_of(std::string_view path) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t slash = path.find('/');
    parts.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return parts;
    path.remove_prefix(slash + 1);
  }
}

struct CharClass {
  std::string_view members;  ///< between the brackets, without '!'
  bool negated;
  size_t length;  ///< of the whole class in the pattern

  bool matches(char c) const {
    bool found = false;
    for (size_t i = 0; i < members.size(); ++i) {
      if (i + 2 < members.size() && members[i + 1] == '-') {
        found |= members[i] <= c && c <= members[i + 2];
        i += 2;
      } else {
        found |= members[i] == c;
      }
    }
    return found != negated;
  }
};

/// The class at the start of the pattern; nullopt when '[' is never closed and stands for itself.
std::optional<CharClass> class_at(std::string_view pattern) {
  const bool negated = pattern.size() > 1 && pattern[1] == '!';
  const size_t first = negated ? 2 : 1;
  const size_t close = pattern.find(']', first + 1);  // a ']' right at the start is a member
  if (close == std::string_view::npos) return std::nullopt;
  return CharClass{pattern.substr(first, close - first), negated, close + 1};
}

bool part_matches(std::string_view pattern, std::string_view text) {
  while (!pattern.empty()) {
    if (pattern[0] == '*') {
      for (size_t skip = 0; skip <= text.size(); ++skip) {
        if (part_matches(pattern.substr(1), text.substr(skip))) return true;
      }
      return false;
    }
    if (text.empty()) return false;
    size_t used = 1;
    if (const auto members = pattern[0] == '[' ? class_at(pattern) : std::nullopt) {
      if (!members->matches(text[0])) return false;
      used = members->length;
    } else if (pattern[0] != '?' && pattern[0] != text[0]) {
      return false;
    }
    pattern.remove_prefix(used);
    text.remove_prefix(1);
  }
  return text.empty();
}

using Parts = std::vector<std::string_view>;

bool parts_match(const Parts& pattern, size_t p, const Parts& path, size_t t) {
  if (p == pattern.size()) return t == path.size();
  if (pattern[p] == "**") {
    if (p + 1 == pattern.size()) return t < path.size();
    for (size_t next = t; next < path.size(); ++next) {
      if (parts_match(pattern, p + 1, path, next)) return true;
    }
    return false;
  }
  return t < path.size() && part_matches(pattern[p], path[t]) &&
         parts_match(pattern, p + 1, path, t + 1);
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view path) {
  return parts_match(parts_of(pattern), 0, parts_of(path), 0);
}

bool is_glob(std::string_view pattern) {
  return pattern.find_first_of("*?[") != std::string_view::npos;
}

}  // namespace qk::source
