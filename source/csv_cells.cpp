#include "source/csv_cells.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace qk::source {
namespace {

/// Source: pandas, io/parsers documentation of na_values.
constexpr std::string_view kNullCells[] = {
    "",     "#N/A", "#N/A N/A", "#NA",  "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "<NA>", "N/A",  "NA",       "NULL", "NaN",     "None",     "n/a",  "nan",  "null"};

constexpr std::string_view kTrue[] = {"True", "TRUE", "true"};
constexpr std::string_view kFalse[] = {"False", "FALSE", "false"};

template <size_t kCount>
bool contains(const std::string_view (&list)[kCount], std::string_view cell) {
  return std::ranges::find(list, cell) != std::end(list);
}

/// Numbers may stand between blanks and have a plus.
std::string_view bare_number(std::string_view cell) {
  while (!cell.empty() && cell.front() == ' ') cell.remove_prefix(1);
  while (!cell.empty() && cell.back() == ' ') cell.remove_suffix(1);
  if (cell.starts_with('+') && !cell.starts_with("+-")) cell.remove_prefix(1);
  return cell;
}

template <typename Number>
std::optional<Number> parse(std::string_view cell) {
  const std::string_view text = bare_number(cell);
  Number number{};
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ptr != text.data() + text.size() || text.empty()) return std::nullopt;
  if (parsed.ec == std::errc()) return number;
  return std::nullopt;
}

bool is_integer(std::string_view cell) {
  std::string_view digits = bare_number(cell);
  if (digits.starts_with('-')) digits.remove_prefix(1);
  return !digits.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos;
}

std::optional<bool> parse_bool(std::string_view cell) {
  if (contains(kTrue, cell)) return true;
  if (contains(kFalse, cell)) return false;
  return std::nullopt;
}

}  // namespace

bool is_null_cell(std::string_view cell) { return contains(kNullCells, cell); }

void ColumnTypeInference::add(std::string_view cell) {
  if (is_null_cell(cell)) {
    null_ = true;
    return;
  }
  any_ = true;
  integer_ = integer_ && is_integer(cell);
  int64_ = int64_ && parse<int64_t>(cell);
  uint64_ = uint64_ && parse<uint64_t>(cell);
  float_ = float_ && parse<double>(cell);
  bool_ = bool_ && parse_bool(cell);
}

ColumnType ColumnTypeInference::type() const {
  if (!any_) return ColumnType::Float;  // all null
  if (int64_) return null_ ? ColumnType::Float : ColumnType::Int64;
  if (uint64_ && !null_) return ColumnType::UInt64;
  if (integer_) return ColumnType::Text;  // no integer type holds them all
  if (float_) return ColumnType::Float;
  return bool_ ? ColumnType::Bool : ColumnType::Text;
}

IdValue value_of_cell(std::string_view cell, ColumnType type) {
  if (is_null_cell(cell)) return std::monostate{};
  if (type == ColumnType::Bool) {
    if (const auto truth = parse_bool(cell)) return *truth;
  }
  if (type == ColumnType::Int64 || type == ColumnType::UInt64) {
    if (const auto number = parse<int64_t>(cell)) return *number;
    if (const auto number = parse<uint64_t>(cell)) return std::to_string(*number);
  }
  if (type == ColumnType::Float) {
    if (const auto number = parse<double>(cell)) return *number;
  }
  return std::string(cell);
}

}  // namespace qk::source
