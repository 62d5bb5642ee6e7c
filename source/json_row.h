#pragma once
/// One JSON value as a row: an object with the wanted keys, or a string (which is the column
/// `text`).
#include <string>
#include <string_view>
#include <vector>

#include "source/row_reader.h"

namespace qk::source {

/// Parses the text of one value; `text` may be changed (invalid UTF-8 is replaced). The last of
/// equal keys counts, a missing one is null; integers of any size keep their digits. As in Python,
/// NaN and single surrogates pass (the latter as U+FFFD). Throws DatasetError with `place`: not
/// JSON, or neither object nor string.
Row parse_json_row(std::string& text, const Columns& columns, const std::string& place);

/// The keys of an object, in order; {"text"} for a string. Throws as parse_json_row.
std::vector<std::string> json_row_columns(std::string& text, const std::string& place);

}  // namespace qk::source
