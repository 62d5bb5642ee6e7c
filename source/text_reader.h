#pragma once
/// Text examples in: local dataset files -> rows of (example id, text), in dataset order, streamed.
/// Source of the rules: dataset resolution and split expressions of `datasets` 4/5.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace qk::source {

struct DatasetSpec {
  std::string path;                 ///< local file or folder
  std::optional<std::string> name;  ///< dataset config ("subset")
  std::string split = "train";      ///< split expression: train, train+test, train[:10%]
  std::string text_column = "text";
  std::optional<std::string> id_column;  ///< nullopt: the row index is the id
  std::optional<int64_t> max_samples;    ///< only the first N rows
  bool streaming = false;
  bool skip_bad_text = false;  ///< give rows whose text is null or no text as unusable, don't throw
};

struct TextRow {
  int64_t index = 0;       ///< 0-based row in the (split of the) dataset
  int64_t example_id = 0;  ///< full 64-bit id (see example_id.h)
  std::string source_id;   ///< the id column's value as Python's str() gives it; the row index
                           ///< without id column
  std::string text;        ///< valid UTF-8 (invalid bytes replaced by U+FFFD; counted, warned once)
  bool unusable = false;   ///< null or no text, with DatasetSpec::skip_bad_text; `text` is empty
};

/// How many rows had texts that are odd but usable.
struct TextFlaws {
  int64_t invalid_utf8_rows = 0;  ///< invalid bytes replaced by U+FFFD
  int64_t nul_rows = 0;           ///< NUL bytes, kept
  int64_t unusable_rows = 0;      ///< null or no text, with DatasetSpec::skip_bad_text
};

/// Rows of one split, in order, as often as wanted. Memory does not grow with the dataset. Not
/// thread-safe; used by one thread.
class TextReader {
 public:
  virtual ~TextReader() = default;

  /// The next row, nullopt at the end. Throws DatasetError naming file and row: null or non-text
  /// value, damaged file, no row at all.
  virtual std::optional<TextRow> next() = 0;

  /// The next row's text alone, as next() gives it; empty where it is unusable. What is odd about
  /// it is neither counted nor told. Throws as next().
  virtual std::optional<std::string> next_text() = 0;

  /// Passes over the next rows without giving them, and where the format allows without decoding
  /// them. Returns how many there were. The rows after them have the same index and id as if these
  /// had been read.
  virtual int64_t skip(int64_t rows) {
    int64_t skipped = 0;
    while (skipped < rows && next()) ++skipped;
    return skipped;
  }

  /// Back to before the first row. Flaws stay counted, and what was warned of is not warned of
  /// again.
  virtual void rewind() = 0;

  /// Number of rows that will come, when it is known without reading the text (Parquet, Arrow);
  /// else nullopt.
  virtual std::optional<int64_t> row_count() const = 0;

  /// Share of the input consumed so far, 0..1 (by bytes or rows); for the estimate of the remaining
  /// time.
  virtual double progress() const = 0;

  /// Of the rows read so far. The first row of each kind was named in a warning.
  virtual TextFlaws flaws() const { return {}; }
};

/// Resolves path/name/split and opens the files. Throws DatasetError: no such path, unknown split
/// (lists the known ones), unknown column (lists the columns there are), unsupported format.
std::unique_ptr<TextReader> open_text(const DatasetSpec& spec);

}  // namespace qk::source
