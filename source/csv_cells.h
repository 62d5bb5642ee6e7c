#pragma once
/// What the cells of a CSV column mean to pandas: null, numbers, truth values, text.
#include <cstdint>
#include <string_view>

#include "source/example_id.h"

namespace qk::source {

/// True for the strings that pandas' read_csv takes for a missing value: empty, NA, NaN, null,
/// None, ...
bool is_null_cell(std::string_view cell);

/// The type pandas infers for a whole column.
enum class ColumnType { Int64, UInt64, Float, Bool, Text };

/// Sees the cells of a column one after the other, and tells its type.
class ColumnTypeInference {
 public:
  void add(std::string_view cell);
  ColumnType type() const;

 private:
  bool any_ = false;
  bool null_ = false;
  bool integer_ = true;  ///< all cells are integers of any size
  bool int64_ = true;
  bool uint64_ = true;
  bool float_ = true;
  bool bool_ = true;
};

/// The value of a cell in a column of the type. A cell that does not fit the type keeps its text.
IdValue value_of_cell(std::string_view cell, ColumnType type);

}  // namespace qk::source
