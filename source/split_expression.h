#pragma once
/// Split expressions: train, train+test, train[:10%], test[5:-3],
/// train[10%:20%](pct1_dropremainder). Source: datasets 4/5 arrow_reader.py, ReadInstruction.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace qk::source {

enum class Rounding { Closest, Pct1DropRemainder };

/// One term: a split, or a slice of it.
struct SplitTerm {
  std::string split;
  std::optional<int64_t> from = {};
  std::optional<int64_t> to = {};
  bool percent = false;  ///< from and to are percentages
  Rounding rounding = Rounding::Closest;

  /// False: the rows can be found by reading along.
  bool needs_row_count() const;
};

/// Rows [from, to) of a split; to may lie behind the end when the number of rows is not known.
struct RowRange {
  int64_t from = 0;
  std::optional<int64_t> to = {};
};

/// A split's name: groups of letters, digits and '_', separated by single dots.
bool is_split_name(std::string_view name);

/// Throws DatasetError: not an expression, a percentage outside -100..100, mixed roundings.
std::vector<SplitTerm> parse_split_expression(std::string_view expression);

/// The rows of a term in a split of `rows` rows. `rows` may be missing unless the term
/// needs_row_count.
RowRange row_range(const SplitTerm& term, std::optional<int64_t> rows);

}  // namespace qk::source
