#include "source/split_expression.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "base/error.h"

namespace qk::source {
namespace {

[[noreturn]] void fail(std::string_view expression, std::string_view why) {
  throw DatasetError(
      "dataset.split: '{}' {}; examples: train, train+test, train[:10%], test[100:200]", expression,
      why);
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())))
    text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())))
    text.remove_suffix(1);
  return text;
}

/// Digits with underscores between them and maybe a minus, as Python's int() reads them.
int64_t parse_number(std::string_view text, std::string_view expression) {
  const std::string_view magnitude = text.substr(text.starts_with('-') ? 1 : 0);
  std::string digits(text);
  std::erase(digits, '_');
  int64_t number = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool misplaced = magnitude.starts_with('_') || magnitude.ends_with('_') ||
                         magnitude.find("__") != magnitude.npos;
  if (misplaced || parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) {
    fail(expression, "holds a number that can't be read");
  }
  return number;
}

/// One side of a slice: nothing, a row, or a percentage (which sets `percent`).
std::optional<int64_t> parse_bound(std::string_view text, std::string_view expression,
                                   bool& percent) {
  if (text.empty()) return std::nullopt;
  if (text.ends_with('%')) {
    percent = true;
    text.remove_suffix(1);
  }
  return parse_number(text, expression);
}

/// The text up to the closing bracket, which is passed over; `rest` begins behind the opening one.
std::string_view take_until(std::string_view& rest, char bracket, std::string_view expression) {
  const size_t close = rest.find(bracket);
  if (close == std::string_view::npos) fail(expression, "is no split expression");
  const std::string_view inside = rest.substr(0, close);
  rest.remove_prefix(close + 1);
  return inside;
}

bool accept(std::string_view& rest, char c) {
  if (!rest.starts_with(c)) return false;
  rest.remove_prefix(1);
  return true;
}

Rounding parse_rounding(std::string_view name, std::string_view expression) {
  if (name == "closest") return Rounding::Closest;
  if (name == "pct1_dropremainder") return Rounding::Pct1DropRemainder;
  fail(expression, "has an unknown rounding: closest and pct1_dropremainder are allowed");
}

SplitTerm parse_term(std::string_view text, std::string_view expression) {
  SplitTerm term{.split = std::string(text.substr(0, text.find_first_of("[(")))};
  std::string_view rest = text.substr(term.split.size());
  if (!is_split_name(term.split)) fail(expression, "is no split expression");
  if (accept(rest, '[')) {
    const std::string_view slice = take_until(rest, ']', expression);
    const size_t colon = slice.find(':');
    if (colon == std::string_view::npos) fail(expression, "has a slice without ':'");
    term.from = parse_bound(slice.substr(0, colon), expression, term.percent);
    term.to = parse_bound(slice.substr(colon + 1), expression, term.percent);
  }
  if (accept(rest, '(')) {
    if (!term.percent) fail(expression, "gives a rounding without a percentage");
    term.rounding = parse_rounding(take_until(rest, ')', expression), expression);
  }
  if (!rest.empty()) fail(expression, "is no split expression");
  const auto beyond = [](const std::optional<int64_t>& bound) {
    return bound && (*bound < -100 || *bound > 100);
  };
  if (term.percent && (beyond(term.from) || beyond(term.to)))
    fail(expression, "has a percentage outside -100..100");
  return term;
}

/// A bound as a row, from the end still negative. Percentages first become rows.
int64_t to_row(int64_t bound, const SplitTerm& term, int64_t rows) {
  if (!term.percent) return bound;
  if (term.rounding == Rounding::Pct1DropRemainder) return bound * (rows / 100);
  return std::llrint(static_cast<double>(bound) * static_cast<double>(rows) /
                     100.0);  // halves to even
}

int64_t clip(int64_t row, int64_t rows) {
  if (row < 0) row = std::max<int64_t>(rows + row, 0);
  return std::min(row, rows);
}

}  // namespace

bool SplitTerm::needs_row_count() const {
  const auto relative = [this](const std::optional<int64_t>& bound) {
    return bound && (percent || *bound < 0);
  };
  return relative(from) || relative(to);
}

std::vector<SplitTerm> parse_split_expression(std::string_view expression) {
  std::vector<SplitTerm> terms;
  std::string_view rest = expression;
  while (true) {
    const size_t plus = rest.find('+');
    terms.push_back(parse_term(trim(rest.substr(0, plus)), expression));
    const SplitTerm& first = terms.front();
    const SplitTerm& last = terms.back();
    if (first.percent && last.percent && first.rounding != last.rounding)
      fail(expression, "mixes two roundings");
    if (plus == std::string_view::npos) return terms;
    rest.remove_prefix(plus + 1);
  }
}

RowRange row_range(const SplitTerm& term, std::optional<int64_t> rows) {
  if (!rows) {
    QK_ASSERT(!term.needs_row_count());
    return {term.from.value_or(0), term.to};
  }
  if (term.percent && term.rounding == Rounding::Pct1DropRemainder && *rows < 100) {
    throw DatasetError(
        "dataset.split: '{}' has {} rows, pct1_dropremainder needs at least 100; use closest",
        term.split, *rows);
  }
  const int64_t from = clip(term.from ? to_row(*term.from, term, *rows) : 0, *rows);
  const int64_t to = clip(term.to ? to_row(*term.to, term, *rows) : *rows, *rows);
  return {from, std::max(from, to)};
}

bool is_split_name(std::string_view name) {
  bool after_word = false;
  for (const char c : name) {
    const bool word = std::isalnum(static_cast<unsigned char>(c)) || c == '_' ||
                      static_cast<unsigned char>(c) >= 0x80;
    if (!word && (c != '.' || !after_word)) return false;
    after_word = word;
  }
  return after_word;
}

}  // namespace qk::source
