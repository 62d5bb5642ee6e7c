#include "sniffer/config_scalar.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <regex>
#include <set>

namespace qk::sniffer {
namespace {

// Longer scalars are text at once; it also bounds the recursion of std::regex.
constexpr size_t kLongestNumber = 128;

const std::set<std::string_view> kNull = {"", "~", "null", "Null", "NULL"};
const std::set<std::string_view> kTrue = {"yes",  "Yes", "YES", "true", "True",
                                          "TRUE", "on",  "On",  "ON"};
const std::set<std::string_view> kFalse = {"no",    "No",  "NO",  "false", "False",
                                           "FALSE", "off", "Off", "OFF"};

bool matches(std::string_view text, const std::regex& pattern) {
  return std::regex_match(text.begin(), text.end(), pattern);
}

bool is_integer(std::string_view text) {
  static const std::regex pattern(
      "[-+]?(0b[01_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|[1-9][0-9_]*(:[0-5]?[0-9])+)");
  return matches(text, pattern);
}

bool is_float(std::string_view text) {
  static const std::regex pattern(
      "[-+]?[0-9][0-9_]*\\.[0-9_]*([eE][-+][0-9]+)?"
      "|\\.[0-9][0-9_]*([eE][-+][0-9]+)?"
      "|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\\.[0-9_]*"
      "|[-+]?\\.(inf|Inf|INF)"
      "|\\.(nan|NaN|NAN)");
  return matches(text, pattern);
}

bool is_timestamp(std::string_view text) {
  static const std::regex pattern(
      "[0-9]{4}-[0-9]{2}-[0-9]{2}"
      "|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt]|[ \\t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(\\.[0-9]*)?"
      "([ \\t]*(Z|[-+][0-9]{1,2}(:[0-9]{2})?))?");
  return matches(text, pattern);
}

std::string without_underscores(std::string_view text) {
  std::string digits(text);
  std::erase(digits, '_');
  return digits;
}

/// Takes the sign off the front; true for minus.
bool take_sign(std::string& digits) {
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.erase(0, 1);
  return negative;
}

std::optional<uint64_t> parse_digits(std::string_view digits, int base) {
  uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

/// "1:30" is 1 * 60 + 30.
std::optional<uint64_t> parse_base_60(std::string_view digits) {
  uint64_t value = 0;
  while (true) {
    const size_t colon = digits.find(':');
    const std::optional<uint64_t> part = parse_digits(digits.substr(0, colon), 10);
    if (!part || __builtin_mul_overflow(value, 60U, &value) ||
        __builtin_add_overflow(value, *part, &value)) {
      return std::nullopt;
    }
    if (colon == std::string_view::npos) return value;
    digits.remove_prefix(colon + 1);
  }
}

std::optional<uint64_t> parse_magnitude(std::string_view digits) {
  if (digits.starts_with("0b")) return parse_digits(digits.substr(2), 2);
  if (digits.starts_with("0x")) return parse_digits(digits.substr(2), 16);
  if (digits.find(':') != std::string_view::npos) return parse_base_60(digits);
  return parse_digits(digits, digits.starts_with('0') ? 8 : 10);
}

Scalar read_integer(std::string_view text) {
  std::string digits = without_underscores(text);
  const bool negative = take_sign(digits);
  const std::optional<uint64_t> magnitude = parse_magnitude(digits);
  const uint64_t most =
      static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) + (negative ? 1 : 0);
  if (!magnitude || *magnitude > most) return {ScalarKind::HugeInteger, std::string(text)};
  return {ScalarKind::Integer, static_cast<int64_t>(negative ? 0 - *magnitude : *magnitude)};
}

/// Decimal digits to the nearest double; too large is infinite and too small is 0, as in Python.
std::optional<double> parse_decimal(const std::string& digits) {
  double value = 0;
  const char* const last = digits.data() + digits.size();
  const auto [end, error] = std::from_chars(digits.data(), last, value);
  if (end != last || digits.empty() || error == std::errc::invalid_argument) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    return digits.find('-') == std::string::npos ? std::numeric_limits<double>::infinity() : 0.0;
  }
  return value;
}

std::optional<double> parse_float_magnitude(std::string digits) {
  double whole = 0;
  for (size_t colon; (colon = digits.find(':')) != std::string::npos; digits.erase(0, colon + 1)) {
    const std::optional<double> part = parse_decimal(digits.substr(0, colon));
    if (!part) return std::nullopt;
    whole = (whole + *part) * 60;
  }
  const std::optional<double> rest = parse_decimal(digits);
  return rest ? std::optional(whole + *rest) : std::nullopt;
}

}  // namespace

Scalar read_as_float(std::string_view text) {
  std::string digits = without_underscores(text);
  const bool negative = take_sign(digits);
  std::ranges::transform(digits, digits.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  if (digits == ".nan") return {ScalarKind::Float, std::numeric_limits<double>::quiet_NaN()};
  if (digits == ".inf") digits = "inf";
  if (text.size() > kLongestNumber || digits.starts_with('-'))
    return {ScalarKind::Text, std::string(text)};
  const std::optional<double> value = parse_float_magnitude(digits);
  if (!value) return {ScalarKind::Text, std::string(text)};
  return {ScalarKind::Float, negative ? -*value : *value};
}

Scalar resolve_plain(std::string_view text) {
  if (kNull.contains(text)) return {ScalarKind::Null, nullptr};
  if (kTrue.contains(text)) return {ScalarKind::Bool, true};
  if (kFalse.contains(text)) return {ScalarKind::Bool, false};
  const bool may_be_number =
      std::string_view("-+.0123456789").find(text.front()) != std::string_view::npos;
  if (may_be_number && text.size() <= kLongestNumber) {
    if (is_float(text)) return read_as_float(text);
    if (is_integer(text)) return read_integer(text);
    if (is_timestamp(text)) return {ScalarKind::Timestamp, std::string(text)};
  }
  return {ScalarKind::Text, std::string(text)};
}

std::string float_text(double value) {
  if (std::isnan(value)) return ".nan";
  if (std::isinf(value)) return value < 0 ? "-.inf" : ".inf";
  std::string text = fmt::format("{}", value);
  if (text.find('.') == std::string::npos) text.insert(std::min(text.find('e'), text.size()), ".0");
  return text;
}

}  // namespace qk::sniffer
