#include "sniffer/config_print.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "sniffer/config_scalar.h"

namespace qk::sniffer {
namespace {

using Json = nlohmann::ordered_json;

/// Whether every YAML reader takes the bare text for text.
bool is_plain_text(const std::string& text) {
  const auto is_word = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '/' || c == '.';
  };
  const auto is_inner = [&](char c) { return is_word(c) || c == '-' || c == '+' || c == '@'; };
  if (text.empty() || !is_word(text.front()) || !std::ranges::all_of(text, is_inner)) return false;
  double number = 0;  // "1e5" is text in YAML 1.1 and a number in 1.2
  const bool is_number = std::from_chars(text.data(), text.data() + text.size(), number).ptr ==
                         text.data() + text.size();
  return !is_number && resolve_plain(text).kind == ScalarKind::Text;
}

std::string text_value(const std::string& text) {
  if (is_plain_text(text)) return text;
  std::string quoted = nlohmann::json(text).dump();
  // Characters that JSON leaves as they are and YAML does not.
  constexpr std::pair<std::string_view, std::string_view> kEscapes[] = {
      {"\x7f", "\\x7F"},
      {"\xC2\x85", "\\x85"},
      {"\xE2\x80\xA8", "\\L"},
      {"\xE2\x80\xA9", "\\P"},
      {"\xEF\xBB\xBF", "\\uFEFF"}};
  for (const auto& [raw, escaped] : kEscapes) {
    for (size_t at = 0; (at = quoted.find(raw, at)) != std::string::npos; at += escaped.size()) {
      quoted.replace(at, raw.size(), escaped);
    }
  }
  return quoted;
}

void print_entries(const Json& map, int indent, std::string& out) {
  for (const auto& [key, value] : map.items()) {
    out += fmt::format("{:{}}{}:", "", indent, text_value(key));
    if (value.is_object() && !value.empty()) {
      out += "\n";
      print_entries(value, indent + 2, out);
    } else {
      out += fmt::format(" {}\n", yaml_value(value));
    }
  }
}

}  // namespace

std::string yaml_value(const Json& value) {
  if (value.is_string()) return text_value(value.get<std::string>());
  if (value.is_number_float()) return float_text(value.get<double>());
  if (!value.is_structured()) return value.dump();
  std::string inner;
  for (const auto& [key, item] : value.items()) {
    if (!inner.empty()) inner += ", ";
    if (value.is_object()) inner += text_value(key) + ": ";
    inner += yaml_value(item);
  }
  return value.is_object() ? fmt::format("{{{}}}", inner) : fmt::format("[{}]", inner);
}

std::string print_config(const SniffConfig& config) {
  SniffConfig copy = config;
  std::string out;
  print_entries(plain_value(copy), 0, out);
  return out;
}

}  // namespace qk::sniffer
