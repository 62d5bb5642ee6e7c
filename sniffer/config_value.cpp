#include "sniffer/config_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace qk::sniffer {
namespace {

struct Unit {
  std::string_view name;
  double bytes;
};
constexpr std::array kUnits = {
    Unit{"b", 1},           Unit{"kb", 1e3},           Unit{"mb", 1e6},
    Unit{"gb", 1e9},        Unit{"tb", 1e12},          Unit{"kib", 1024.0},
    Unit{"mib", 1048576.0}, Unit{"gib", 1073741824.0}, Unit{"tib", 1099511627776.0}};

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return result;
}

/// How to write a number that YAML took for text.
std::string number_hint(const YamlNode& node) {
  if (!node.is(ScalarKind::Text)) return "";
  const ScalarKind unquoted = resolve_plain(node.text).kind;
  if (node.quoted && (unquoted == ScalarKind::Integer || unquoted == ScalarKind::Float))
    return "Remove the quotes.";
  const Scalar number = read_as_float(node.text);
  if (number.kind != ScalarKind::Float) return "";
  return fmt::format("In YAML a number with an exponent has a dot and a sign: write {}.",
                     float_text(number.value.get<double>()));
}

/// How to write an integer that came as a float or as text.
std::string integer_hint(const YamlNode& node) {
  const std::string hint = number_hint(node);
  const bool as_quoted_integer =
      node.quoted && resolve_plain(node.text).kind == ScalarKind::Integer;
  if (node.kind != YamlNode::Kind::Scalar || as_quoted_integer) return hint;
  const Scalar number = node.is(ScalarKind::Bool) ? Scalar{} : read_as_float(node.text);
  if (number.kind != ScalarKind::Float) return "";
  const double value = number.value.get<double>();
  const bool integral = std::abs(value) < 1e15 && value == std::floor(value);
  return integral ? fmt::format("Write {}.", static_cast<int64_t>(value)) : "";
}

std::optional<Problem> check_range(const YamlNode& node, const Field& field, int64_t value) {
  if (value < field.least) return Problem{fmt::format("{} is too small", shown(node)), ""};
  if (value > field.most) return Problem{fmt::format("{} is too large", shown(node)), ""};
  return std::nullopt;
}

/// "1.5GB" -> 1500000000.
std::optional<int64_t> parse_bytes(std::string_view text) {
  double count = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), count, std::chars_format::fixed);
  if (error != std::errc() || !(text.front() >= '0' && text.front() <= '9')) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  const auto unit = std::ranges::find(kUnits, lower(text), &Unit::name);
  const double bytes = unit == kUnits.end() ? -1 : count * unit->bytes;
  return bytes >= 0 && bytes < 9e18 ? std::optional(static_cast<int64_t>(bytes)) : std::nullopt;
}

bool is_device(std::string_view text) {
  if (text == "auto" || text == "cpu" || text == "cuda") return true;
  if (!text.starts_with("cuda:")) return false;
  const std::string_view index = text.substr(5);
  return !index.empty() && index.size() <= 3 &&
         std::ranges::all_of(index, [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<Problem> read_device(const YamlNode& node, std::string& out) {
  constexpr std::string_view kOneDevice = "The model runs on one device.";
  if (node.kind == YamlNode::Kind::Map)
    return Problem{"a mapping is not supported", std::string(kOneDevice)};
  if (node.is(ScalarKind::Integer)) {
    return Problem{fmt::format("{} is not a device", shown(node)),
                   fmt::format("Write cuda:{}.", node.text)};
  }
  if (!node.is(ScalarKind::Text)) return not_a(node, "a device");
  if (!is_device(node.text))
    return Problem{fmt::format("{} is not supported", shown(node)), std::string(kOneDevice)};
  out = node.text;
  return std::nullopt;
}

std::optional<Problem> unknown_choice(const YamlNode& node,
                                      const std::vector<std::string_view>& names) {
  const std::optional<std::string_view> near = nearest(lower(node.text), names);
  return Problem{fmt::format("{} is unknown", shown(node)),
                 near ? fmt::format("Did you mean {}?", *near) : ""};
}

}  // namespace

Problem not_a(const YamlNode& node, std::string_view wanted, std::string hint) {
  if (node.is(ScalarKind::Null)) {
    return {"null is not allowed",
            hint.empty() ? "Leave the key out for its default." : std::move(hint)};
  }
  if (node.is(ScalarKind::Text))
    return {fmt::format("{} is text, not {}", shown(node), wanted), std::move(hint)};
  return {fmt::format("{} is not {}", shown(node), wanted), std::move(hint)};
}

std::optional<Problem> read_value(const YamlNode& node, const Field&, bool& out) {
  if (node.is(ScalarKind::Bool)) {
    out = node.scalar.value.get<bool>();
    return std::nullopt;
  }
  const std::string text = node.kind == YamlNode::Kind::Scalar ? lower(node.text) : "";
  std::string hint;
  if (node.quoted && resolve_plain(node.text).kind == ScalarKind::Bool) {
    hint = "Remove the quotes.";
  } else if (text == "1" || text == "y" || text == "t" || text == "true" || text == "yes") {
    hint = "Write true.";
  } else if (text == "0" || text == "n" || text == "f" || text == "false" || text == "no") {
    hint = "Write false.";
  }
  return not_a(node, "true or false", hint);
}

std::optional<Problem> read_value(const YamlNode& node, const Field& field, int64_t& out) {
  if (field.form == Form::Bytes && node.is(ScalarKind::Text)) {
    const std::optional<int64_t> bytes = parse_bytes(node.text);
    if (!bytes) return Problem{fmt::format("{} is not a number of bytes", shown(node)), ""};
    out = *bytes;
    return check_range(node, field, out);
  }
  if (node.is(ScalarKind::HugeInteger))
    return Problem{fmt::format("{} does not fit 64 bits", shown(node)), ""};
  if (!node.is(ScalarKind::Integer)) return not_a(node, "an integer", integer_hint(node));
  out = node.scalar.value.get<int64_t>();
  return check_range(node, field, out);
}

std::optional<Problem> read_value(const YamlNode& node, const Field& field, double& out) {
  if (!node.is(ScalarKind::Integer) && !node.is(ScalarKind::Float)) {
    return not_a(node, "a number", number_hint(node));
  }
  out = node.scalar.value.get<double>();
  if (!std::isfinite(out)) return Problem{fmt::format("{} is not finite", shown(node)), ""};
  if (field.positive && out <= 0) return Problem{fmt::format("{} is too small", shown(node)), ""};
  return std::nullopt;
}

std::optional<Problem> read_value(const YamlNode& node, const Field& field, std::string& out) {
  if (field.form == Form::Device) return read_device(node, out);
  if (field.form == Form::Padding && node.is(ScalarKind::Bool)) {
    out = node.scalar.value.get<bool>() ? "longest" : "do_not_pad";
    return std::nullopt;
  }
  if (!node.is(ScalarKind::Text)) {
    const bool quotable = node.kind == YamlNode::Kind::Scalar && !node.is(ScalarKind::Null);
    if (!quotable) return not_a(node, "text");
    return Problem{fmt::format("{} is {}, not text", shown(node), kind_name(node)),
                   fmt::format("Write {}.", shown_text(node.text))};
  }
  if (node.text.empty())
    return Problem{"the text is empty", field.required ? "" : "Leave the key out for its default."};
  if (node.text.find('\0') != std::string::npos)
    return Problem{fmt::format("{} has a NUL in it", shown(node)), ""};
  if (!field.choices.empty() &&
      std::ranges::find(field.choices, node.text) == field.choices.end()) {
    return unknown_choice(node, {field.choices.begin(), field.choices.end()});
  }
  out = node.text;
  return std::nullopt;
}

std::optional<Problem> read_choice(const YamlNode& node, const TypeInfo& info, size_t& out) {
  if (!node.is(ScalarKind::Text)) return not_a(node, "one of these names");
  const std::string name = info.any_case ? lower(node.text) : node.text;
  const auto found = std::ranges::find(info.names, name);
  if (found == info.names.end()) return unknown_choice(node, info.names);
  out = static_cast<size_t>(found - info.names.begin());
  return std::nullopt;
}

}  // namespace qk::sniffer
