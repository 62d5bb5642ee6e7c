#pragma once
/// Cells of Arrow columns as text and as Python would print them.
#include <arrow/array.h>
#include <arrow/type.h>

#include "source/row_reader.h"

namespace qk::source {

/// True for types whose values are text: string, large_string, string_view, a dictionary of one of
/// them, null.
bool holds_text(const arrow::DataType& type);

/// The cell of a column for which holds_text is true. Throws DatasetError when it points outside of
/// the column's data.
TextCell text_cell(const arrow::Array& column, int64_t row);

/// Any cell as the value that Python's as_py() would give. Throws DatasetError for a type that has
/// no such form here (timestamps with a named zone, unions, intervals).
IdValue id_cell(const arrow::Array& column, int64_t row);

/// True when the cells of the type need no look at the whole column before they are read.
bool checks_itself(const arrow::DataType& type);

}  // namespace qk::source
