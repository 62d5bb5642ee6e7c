#include "source/row_reader.h"

#include <fmt/ranges.h>

#include "base/error.h"

namespace qk::source {

int64_t RowReader::skip(int64_t rows) {
  Row row;
  int64_t skipped = 0;
  while (skipped < rows && next(row)) ++skipped;
  return skipped;
}

std::unique_ptr<RowReader> open_rows(const DataFile& file, const Columns& columns) {
  switch (file.kind.format) {
    case Format::Parquet:
      return open_parquet_rows(file, columns);
    case Format::Arrow:
      return open_arrow_rows(file, columns);
    case Format::Json:
      return open_json_rows(file, columns);
    case Format::Csv:
      return open_csv_rows(file, columns);
    case Format::Text:
      break;
  }
  return open_text_rows(file, columns);
}

void throw_missing_column(const DataFile& file, const std::string& column,
                          const std::vector<std::string>& columns) {
  throw DatasetError("{}: no column '{}'; there are: {}", file.name, column,
                     fmt::join(columns, ", "));
}

}  // namespace qk::source
