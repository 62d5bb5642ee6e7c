#pragma once
/// One data file as rows. A format is one implementation; open_rows picks it.
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "source/byte_source.h"
#include "source/example_id.h"
#include "source/file_format.h"

namespace qk::source {

struct DataFile {
  std::filesystem::path path;  ///< where it lies
  std::string name;            ///< how messages call it
  FileKind kind;
  std::shared_ptr<ByteSource> remote = {};  ///< the bytes, when the path leads nowhere on this disk
};

/// The columns that are wanted. The others are not decoded where the format allows it.
struct Columns {
  std::string text;
  std::optional<std::string> id = {};
};

/// A cell of the text column: null, text (not yet checked for UTF-8), or a value of another type
/// (its name).
struct NotText {
  std::string type;
};
using TextCell = std::variant<std::monostate, std::string, NotText>;

struct Row {
  TextCell text;
  IdValue id;             ///< null without id column
  bool repaired = false;  ///< the reader had to replace invalid UTF-8 before it could read the row
};

/// Rows of one file, in order, in memory that does not grow with the file. Errors are DatasetErrors
/// that name file and place.
class RowReader {
 public:
  virtual ~RowReader() = default;

  /// Fills `row`; false at the end of the file.
  virtual bool next(Row& row) = 0;

  /// Passes over up to `rows` rows; returns how many there were.
  virtual int64_t skip(int64_t rows);

  /// The number of rows of the file when the format knows it, without reading the rows.
  virtual std::optional<int64_t> row_count() const { return std::nullopt; }

  /// Share of the file read, 0..1.
  virtual double progress() const = 0;

  /// Where the row last read stands: "docs.jsonl, line 3".
  virtual std::string place() const = 0;
};

/// Opens a file and checks that it has the wanted columns. Throws DatasetError: unreadable,
/// damaged, a missing column (lists those that are there), a column of a type that can't hold text.
std::unique_ptr<RowReader> open_rows(const DataFile& file, const Columns& columns);

/// The implementations, for open_rows.
std::unique_ptr<RowReader> open_parquet_rows(const DataFile& file, const Columns& columns);
std::unique_ptr<RowReader> open_arrow_rows(const DataFile& file, const Columns& columns);
std::unique_ptr<RowReader> open_json_rows(const DataFile& file, const Columns& columns);
std::unique_ptr<RowReader> open_csv_rows(const DataFile& file, const Columns& columns);
std::unique_ptr<RowReader> open_text_rows(const DataFile& file, const Columns& columns);

/// The error of a column that is not there.
[[noreturn]] void throw_missing_column(const DataFile& file, const std::string& column,
                                       const std::vector<std::string>& columns);

}  // namespace qk::source
