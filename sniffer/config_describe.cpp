#include "sniffer/config_describe.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <numeric>

namespace qk::sniffer {
namespace {

constexpr size_t kLongestShown = 80;
constexpr size_t kLongestName = 64;

std::string bounds(const Field& field) {
  std::string text;
  if (field.least != std::numeric_limits<int64_t>::min())
    text += fmt::format("at least {}", field.least);
  if (field.most != std::numeric_limits<int64_t>::max())
    text += fmt::format(", at most {}", field.most);
  return text;
}

std::string allowed_texts(const Field& field, const TypeInfo& info) {
  std::vector<std::string_view> words = info.names;
  words.insert(words.end(), field.choices.begin(), field.choices.end());
  if (field.form == Form::Device) words = {"auto", "cpu", "cuda", "cuda:N"};
  if (field.form == Form::Padding) words.insert(words.end(), {"true", "false"});
  if (words.empty()) return "text";
  if (info.nullable) words.push_back("null");
  return joined(words) + (info.any_case ? " (any case)" : "");
}

std::string allowed_type(const Field& field, const TypeInfo& info) {
  const std::string range = bounds(field);
  if (field.form == Form::Bytes) return "a number of bytes, or text such as 4GB or 512MiB";
  switch (info.type) {
    case ValueType::Text:
      return allowed_texts(field, info);
    case ValueType::Integer:
      return range.empty() ? "an integer" : fmt::format("an integer, {}", range);
    case ValueType::Number:
      return field.positive ? "a number above 0" : "a number";
    case ValueType::Truth:
      return "true or false";
    case ValueType::Integers:
      return range.empty() ? "a list of integers"
                           : fmt::format("a list of integers, each {}", range);
    case ValueType::Mapping:
      return "a mapping";
  }
  return "";
}

/// Levenshtein's distance: single-character insertions, deletions and replacements.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = std::exchange(row[j + 1], std::min({replaced, row[j] + 1, row[j + 1] + 1}));
    }
  }
  return row.back();
}

}  // namespace

std::string allowed_values(const Field& field, const TypeInfo& info) {
  std::string text = allowed_type(field, info);
  if (info.nullable && text.find("null") == std::string::npos) {
    text += text.find(',') == std::string::npos ? " or null" : ", or null";
  }
  return text;
}

std::string shown_text(std::string_view text) {
  if (text.size() <= kLongestShown) return nlohmann::json(text).dump();
  size_t cut = kLongestShown;
  while ((static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80)
    --cut;  // not inside a UTF-8 sequence
  return nlohmann::json(text.substr(0, cut)).dump() + "...";
}

std::string shown(const YamlNode& node) {
  if (node.kind == YamlNode::Kind::List) return "a list";
  if (node.kind == YamlNode::Kind::Map) return "a mapping";
  if (node.is(ScalarKind::Null)) return "null";
  return node.is(ScalarKind::Text) ? shown_text(node.text) : node.text.substr(0, kLongestShown);
}

std::string kind_name(const YamlNode& node) {
  if (node.kind == YamlNode::Kind::List) return "a list";
  if (node.kind == YamlNode::Kind::Map) return "a mapping";
  switch (node.scalar.kind) {
    case ScalarKind::Null:
      return "null";
    case ScalarKind::Bool:
      return "true or false";
    case ScalarKind::Integer:
    case ScalarKind::HugeInteger:
      return "an integer";
    case ScalarKind::Float:
      return "a number";
    case ScalarKind::Timestamp:
      return "a date";
    case ScalarKind::Text:
      return "text";
  }
  return "";
}

std::optional<std::string_view> nearest(std::string_view name,
                                        const std::vector<std::string_view>& candidates) {
  if (name.size() > kLongestName) return std::nullopt;
  size_t least = name.size() < 4 ? 2 : 1 + std::max<size_t>(2, name.size() / 3);
  std::optional<std::string_view> found;
  for (const std::string_view candidate : candidates) {
    const size_t distance = edit_distance(name, candidate);
    if (distance >= least) continue;
    least = distance;
    found = candidate;
  }
  return found;
}

std::string joined(const std::vector<std::string_view>& words, std::string_view last) {
  if (words.size() < 2) return words.empty() ? "" : std::string(words.front());
  return fmt::format("{} {} {}", fmt::join(words.begin(), words.end() - 1, ", "), last,
                     words.back());
}

}  // namespace qk::sniffer
