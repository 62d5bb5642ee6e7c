/// JSON: one object a line (JSON Lines), an array, a list inside one object, or objects one after
/// the other.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"
#include "source/json_row.h"
#include "source/json_scanner.h"
#include "source/line_reader.h"
#include "source/python_time.h"
#include "source/row_reader.h"

namespace qk::source {
namespace {

/// The texts of the values that are rows.
class RowTexts {
 public:
  virtual ~RowTexts() = default;
  virtual bool next(std::string& text) = 0;
  virtual double progress() const = 0;
  virtual std::string place() const = 0;
};

class LineTexts : public RowTexts {
 public:
  explicit LineTexts(const DataFile& file) : name_(file.name), lines_(file, Newlines::LineFeed) {}

  bool next(std::string& text) override {
    while (lines_.next(text)) {
      if (lines_.line_number() == 1 && text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
      if (text.find_first_not_of(" \t\r") != std::string::npos) return true;
    }
    return false;
  }
  double progress() const override { return lines_.progress(); }
  std::string place() const override {
    return fmt::format("{}, line {}", name_, lines_.line_number());
  }

 private:
  std::string name_;
  LineReader lines_;
};

/// Where in a file of JSON the rows are.
struct Layout {
  enum Kind { Lines, Values, List } kind;
  std::optional<std::string> field =
      {};  ///< List: the key that holds it; nullopt: the file is the list
};

class ScannedTexts : public RowTexts {
 public:
  ScannedTexts(const DataFile& file, const Layout& layout)
      : name_(file.name), scanner_(file), in_list_(layout.kind == Layout::List) {
    if (layout.field) find_field(*layout.field);
    if (in_list_) scanner_.expect('[');
  }

  bool next(std::string& text) override {
    if (ended_ || at_end()) return false;
    scanner_.peek();
    line_ = scanner_.line_number();
    scanner_.take_value(text);
    ++row_;
    return true;
  }
  double progress() const override { return scanner_.progress(); }
  std::string place() const override {
    return fmt::format("{}, row {} (from 0) on line {}", name_, row_, line_);
  }

 private:
  void find_field(const std::string& field) {
    std::string key;
    const std::string wanted = "\"" + field + "\"";
    scanner_.expect('{');
    while (scanner_.peek() == '"') {
      scanner_.take_value(key);
      scanner_.expect(':');
      if (key == wanted) return;
      scanner_.skip_value();
      if (!scanner_.accept(',')) break;
    }
    throw DatasetError("{}: no field '{}' in its object", name_, field);
  }

  bool at_end() {
    if (!in_list_) return scanner_.peek() == '\0';
    const bool first = row_ < 0;
    ended_ = scanner_.accept(']');
    if (!ended_ && !first) scanner_.expect(',');
    return ended_;
  }

  std::string name_;
  JsonScanner scanner_;
  bool in_list_;
  bool ended_ = false;
  int64_t row_ = -1;
  int64_t line_ = 0;
};

/// What the first object of a file has: keys as they stand in the file, with their quotes.
struct FirstObject {
  std::vector<std::string> keys;
  std::vector<std::string> lists;
  std::vector<std::string> lists_of_objects;
};

FirstObject scan_first_object(JsonScanner& scanner) {
  FirstObject object;
  std::string key;
  scanner.expect('{');
  while (scanner.peek() == '"') {
    scanner.take_value(key);
    scanner.expect(':');
    object.keys.push_back(key.substr(1, key.size() - 2));
    const bool list = scanner.peek() == '[';
    if (!list) {
      scanner.skip_value();
    } else {
      object.lists.push_back(object.keys.back());
      scanner.expect('[');
      if (scanner.peek() == '{') object.lists_of_objects.push_back(object.keys.back());
      while (!scanner.accept(']')) {
        scanner.skip_value();
        if (scanner.peek() != ']') scanner.expect(',');
      }
    }
    if (!scanner.accept(',')) break;
  }
  scanner.expect('}');
  return object;
}

/// The layout of a file that begins with an object: rows, or one object around the list of the
/// rows.
Layout layout_of_objects(const DataFile& file, const Columns& columns) {
  JsonScanner scanner(file);
  scanner.peek();
  const int64_t first_line = scanner.line_number();
  const FirstObject object = scan_first_object(scanner);
  const bool one_line = scanner.line_number() == first_line;
  const bool single = scanner.peek() == '\0';
  const bool is_row = std::ranges::find(object.keys, columns.text) != object.keys.end();
  if (!single || is_row || object.lists.empty()) return {one_line ? Layout::Lines : Layout::Values};
  const std::vector<std::string>& candidates =
      object.lists_of_objects.empty() ? object.lists : object.lists_of_objects;
  if (candidates.size() == 1) return {Layout::List, candidates.front()};
  throw DatasetError(
      "{}: one object with several lists ({}): which one holds the rows is not clear; keep one "
      "list a file",
      file.name, fmt::join(candidates, ", "));
}

Layout layout_of(const DataFile& file, const Columns& columns) {
  if (file.kind.options.field) return {Layout::List, file.kind.options.field};
  const char first = JsonScanner(file).peek();
  if (first == '[') return {Layout::List};
  const std::string name = file.path.filename().string();
  const bool lines_by_name =
      name.find(".jsonl") != std::string::npos || name.find(".ndjson") != std::string::npos;
  if (first != '{' || lines_by_name) return {Layout::Lines};
  return layout_of_objects(file, columns);
}

class JsonRows : public RowReader {
 public:
  JsonRows(const DataFile& file, const Columns& columns)
      : columns_(columns), layout_(layout_of(file, columns)) {
    check_columns(file);
    timestamp_ids_ = columns_.id && ids_are_timestamps(file);
    texts_ = open_texts(file);
  }

  bool next(Row& row) override {
    if (!texts_->next(text_)) return false;
    row = parse_json_row(text_, columns_, texts_->place());
    if (timestamp_ids_) to_timestamp(row.id);
    return true;
  }

  int64_t skip(int64_t rows) override {
    int64_t skipped = 0;
    while (skipped < rows && texts_->next(text_)) ++skipped;
    return skipped;
  }

  double progress() const override { return texts_->progress(); }
  std::string place() const override { return texts_->place(); }

 private:
  /// A key may be missing in some rows, so the start of the file is searched for the wanted ones.
  static constexpr int64_t kSearchedRows = 1000;
  static constexpr size_t kSearchedBytes = 10 << 20;

  std::unique_ptr<RowTexts> open_texts(const DataFile& file) const {
    if (layout_.kind == Layout::Lines) return std::make_unique<LineTexts>(file);
    return std::make_unique<ScannedTexts>(file, layout_);
  }

  void check_columns(const DataFile& file) {
    const auto texts = open_texts(file);
    std::vector<std::string> seen;
    const auto has = [&](const std::string& column) {
      return std::ranges::find(seen, column) != seen.end();
    };
    size_t bytes = 0;
    for (int64_t row = 0; row < kSearchedRows && bytes < kSearchedBytes && texts->next(text_);
         ++row) {
      bytes += text_.size();
      for (std::string& key : json_row_columns(text_, texts->place())) {
        if (!has(key)) seen.push_back(std::move(key));
      }
      if (has(columns_.text) && (!columns_.id || has(*columns_.id))) return;
    }
    if (bytes == 0) return;  // no row, no column
    throw_missing_column(file, has(columns_.text) ? *columns_.id : columns_.text, seen);
  }

  /// `datasets` makes timestamps of strings when all of a column in its first block look like one.
  bool ids_are_timestamps(const DataFile& file) {
    const auto texts = open_texts(file);
    bool any = false;
    for (size_t bytes = 0; bytes < kSearchedBytes && texts->next(text_); bytes += text_.size()) {
      IdValue id = parse_json_row(text_, columns_, texts->place()).id;
      if (std::holds_alternative<std::monostate>(id)) continue;
      if (!to_timestamp(id)) return false;
      any = true;
    }
    return any;
  }

  static bool to_timestamp(IdValue& id) {
    const std::string* text = std::get_if<std::string>(&id);
    const std::optional<int64_t> seconds = text ? parse_timestamp(*text) : std::nullopt;
    if (seconds) id = python_datetime({.seconds = *seconds}, std::nullopt);
    return seconds.has_value();
  }

  Columns columns_;
  Layout layout_;
  bool timestamp_ids_ = false;
  std::unique_ptr<RowTexts> texts_;
  std::string text_;
};

}  // namespace

std::unique_ptr<RowReader> open_json_rows(const DataFile& file, const Columns& columns) {
  return std::make_unique<JsonRows>(file, columns);
}

}  // namespace qk::source
