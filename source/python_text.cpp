#include "source/python_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>

#include <fmt/format.h>

#include "source/utf8.h"

namespace qk::source {
namespace {

struct CodeRange {
  char32_t first;
  char32_t last;
};

/// Code points that str.isprintable() refuses: categories Cc, Cf, Cs, Co, Zl, Zp, and Zs but the
/// space. Source: Unicode 14.
constexpr CodeRange kUnprintable[] = {
    {0x00, 0x1f},       {0x7f, 0xa0},       {0xad, 0xad},       {0x600, 0x605},
    {0x61c, 0x61c},     {0x6dd, 0x6dd},     {0x70f, 0x70f},     {0x890, 0x891},
    {0x8e2, 0x8e2},     {0x1680, 0x1680},   {0x180e, 0x180e},   {0x2000, 0x200f},
    {0x2028, 0x202f},   {0x205f, 0x2064},   {0x2066, 0x206f},   {0x3000, 0x3000},
    {0xd800, 0xf8ff},   {0xfeff, 0xfeff},   {0xfff9, 0xfffb},   {0x110bd, 0x110bd},
    {0x110cd, 0x110cd}, {0x13430, 0x13438}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
    {0xe0001, 0xe0001}, {0xe0020, 0xe007f}, {0xf0000, 0xffffd}, {0x100000, 0x10fffd}};

bool is_printable(char32_t code) {
  const CodeRange* range =
      std::lower_bound(std::begin(kUnprintable), std::end(kUnprintable), code,
                       [](const CodeRange& r, char32_t c) { return r.last < c; });
  return range == std::end(kUnprintable) || code < range->first;
}

void append_escaped(std::string& out, char32_t code) {
  if (code <= 0xff) {
    fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<uint32_t>(code));
  } else if (code <= 0xffff) {
    fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<uint32_t>(code));
  } else {
    fmt::format_to(std::back_inserter(out), "\\U{:08x}", static_cast<uint32_t>(code));
  }
}

/// Python prefers single quotes unless only the double ones need no escape.
char quote_for(std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const bool has_double = text.find('"') != std::string_view::npos;
  return has_single && !has_double ? '"' : '\'';
}

/// Escapes that repr(str) and repr(bytes) share. False: not one of them.
bool append_common_escape(std::string& out, char c, char quote) {
  switch (c) {
    case '\n':
      out += "\\n";
      return true;
    case '\r':
      out += "\\r";
      return true;
    case '\t':
      out += "\\t";
      return true;
    case '\\':
      out += "\\\\";
      return true;
    default:
      break;
  }
  if (c != quote) return false;
  out += '\\';
  out += quote;
  return true;
}

}  // namespace

std::string python_float(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[32];
  const auto written =
      std::to_chars(buffer, std::end(buffer), value, std::chars_format::scientific);
  const std::string_view text(buffer, written.ptr - buffer);
  const size_t mark = text.find('e');
  int exponent = 0;
  std::from_chars(text.data() + mark + (text[mark + 1] == '+' ? 2 : 1), text.data() + text.size(),
                  exponent);
  if (exponent < -4 || exponent >= 16) return std::string(text);

  std::string digits(text.substr(0, mark));
  const std::string sign = digits[0] == '-' ? "-" : "";
  std::erase_if(digits, [](char c) { return c == '-' || c == '.'; });
  if (exponent < 0) return sign + "0." + std::string(-exponent - 1, '0') + digits;
  const size_t whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() < whole + 1) digits.append(whole + 1 - digits.size(), '0');
  return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

std::string python_quoted(std::string_view text) {
  const char quote = quote_for(text);
  std::string out(1, quote);
  for (size_t at = 0; at < text.size();) {
    const size_t start = at;
    const char32_t code = next_code_point(text, at);
    if (append_common_escape(out, text[start], quote)) continue;
    if (is_printable(code)) {
      out += text.substr(start, at - start);
    } else {
      append_escaped(out, code);
    }
  }
  return out += quote;
}

std::string python_bytes(std::string_view bytes) {
  const char quote = quote_for(bytes);
  std::string out = "b";
  out += quote;
  for (const char c : bytes) {
    if (append_common_escape(out, c, quote)) continue;
    if (c >= ' ' && c < 0x7f) {
      out += c;
    } else {
      append_escaped(out, static_cast<unsigned char>(c));
    }
  }
  return out += quote;
}

std::string python_decimal(std::string_view digits, int32_t scale) {
  const std::string sign = digits.starts_with('-') ? "-" : "";
  std::string_view magnitude = digits.substr(sign.size());
  const int64_t exponent = -static_cast<int64_t>(scale);
  const int64_t left =
      static_cast<int64_t>(magnitude.size()) + exponent;  // digits left of the point
  if (exponent > 0 || left <= -6) {
    std::string out = sign + std::string(magnitude.substr(0, 1));
    if (magnitude.size() > 1) out += "." + std::string(magnitude.substr(1));
    return out + fmt::format("E{:+d}", left - 1);
  }
  if (exponent == 0) return sign + std::string(magnitude);
  if (left <= 0) return sign + "0." + std::string(-left, '0') + std::string(magnitude);
  return sign + std::string(magnitude.substr(0, left)) + "." + std::string(magnitude.substr(left));
}

}  // namespace qk::source
