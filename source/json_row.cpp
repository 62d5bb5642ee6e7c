#include "source/json_row.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "source/python_text.h"
#include "source/utf8.h"

namespace qk::source {
namespace {

using Json = nlohmann::json;

/// Numbers that JSON lacks but Python's parser takes. make_strict writes the stand-in, which no
/// other file has.
struct NamedNumber {
  std::string_view name;
  std::string_view stand_in;
  double value;
};
constexpr NamedNumber kNamedNumbers[] = {
    {"NaN", "0e-99991", std::numeric_limits<double>::quiet_NaN()},
    {"-Infinity", "0e-99992", -std::numeric_limits<double>::infinity()},
    {"Infinity", "0e-99993", std::numeric_limits<double>::infinity()}};

/// Puts nested values into Python's repr(), from the events of the parser.
class ReprBuilder {
 public:
  void value(std::string_view repr) {
    separate();
    text_ += repr;
  }
  void open(char bracket) {
    separate();
    text_ += bracket;
    empty_ = true;
  }
  void close(char bracket) {
    text_ += bracket;
    empty_ = false;
  }
  void key(const std::string& name) {
    separate();
    text_ += python_quoted(name) + ": ";
    empty_ = true;  // the value follows without a comma
  }
  std::string take() {
    empty_ = true;
    return std::exchange(text_, {});
  }

 private:
  void separate() {
    if (!empty_) text_ += ", ";
    empty_ = false;
  }

  std::string text_;
  bool empty_ = true;
};

/// Receives the parser's events; keeps the two wanted cells only.
class RowHandler : public Json::json_sax_t {
 public:
  /// `keys`: where to list the keys of the row, or nullptr.
  RowHandler(const Columns& columns, Row& row, std::vector<std::string>* keys)
      : columns_(columns), row_(row), keys_(keys) {}

  bool null() override { return scalar(TextCell{}, IdValue{}, "None"); }
  bool boolean(bool value) override {
    return scalar(NotText{"bool"}, value, value ? "True" : "False");
  }
  bool number_integer(int64_t value) override {
    return scalar(NotText{"int"}, value, std::to_string(value));
  }
  bool number_unsigned(uint64_t value) override {
    const bool fits = value <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
    const std::string digits = std::to_string(value);
    return scalar(NotText{"int"}, fits ? IdValue(static_cast<int64_t>(value)) : IdValue(digits),
                  digits);
  }
  bool number_float(double value, const std::string& source) override {
    const bool integer = source.find_first_of(".eE") == std::string::npos;  // beyond 64 bits
    if (integer) return scalar(NotText{"int"}, source, source);
    const auto named = std::ranges::find(kNamedNumbers, source, &NamedNumber::stand_in);
    if (named != std::end(kNamedNumbers)) value = named->value;
    return scalar(NotText{"float"}, value, python_float(value));
  }
  bool string(std::string& value) override {
    if (depth_ == 0) return take_bare_string(value);
    if (depth_ > 1) {
      if (in_id_) repr_.value(python_quoted(value));
      return true;
    }
    if (in_id_) row_.id = value;
    if (in_text_) row_.text = std::move(value);
    return true;
  }
  bool binary(Json::binary_t&) override { return false; }
  bool start_object(size_t) override { return open('{', "object"); }
  bool end_object() override { return close('}'); }
  bool start_array(size_t) override { return open('[', "list"); }
  bool end_array() override { return close(']'); }

  bool key(std::string& name) override {
    if (depth_ > 1) {
      if (in_id_) repr_.key(name);
      return true;
    }
    in_text_ = name == columns_.text;
    in_id_ = columns_.id && name == *columns_.id;
    if (keys_) keys_->push_back(name);
    return true;
  }

  bool parse_error(size_t position, const std::string&, const Json::exception& error) override {
    problem_ = fmt::format("not valid JSON at byte {}: {}", position, reason(error.what()));
    return false;
  }

  const std::string& problem() const { return problem_; }

 private:
  /// The library's message without its own prefix and position.
  static std::string_view reason(std::string_view message) {
    const size_t start = message.find(": ");
    return start == std::string_view::npos ? message : message.substr(start + 2);
  }

  bool take_bare_string(std::string& value) {
    if (keys_) keys_->push_back("text");
    if (columns_.text == "text") row_.text = std::move(value);
    return true;
  }

  bool scalar(TextCell text, IdValue id, std::string_view repr) {
    if (depth_ == 0) return wrong_row();
    if (depth_ > 1) {
      if (in_id_) repr_.value(repr);
      return true;
    }
    if (in_text_) row_.text = std::move(text);
    if (in_id_) row_.id = std::move(id);
    return true;
  }

  bool open(char bracket, const char* type) {
    if (depth_ == 0 && bracket == '[') return wrong_row();
    if (depth_ == 1 && in_text_) row_.text = NotText{type};
    if (depth_ >= 1 && in_id_) repr_.open(bracket);
    ++depth_;
    return true;
  }

  bool close(char bracket) {
    --depth_;
    if (depth_ >= 1 && in_id_) repr_.close(bracket);
    if (depth_ == 1 && in_id_) row_.id = repr_.take();
    return true;
  }

  bool wrong_row() {
    problem_ = "a row must be an object like {\"text\": \"...\"} or a string";
    return false;
  }

  const Columns& columns_;
  Row& row_;
  std::vector<std::string>* keys_;
  ReprBuilder repr_;
  int64_t depth_ = 0;
  bool in_text_ = false;
  bool in_id_ = false;
  std::string problem_;
};

std::optional<uint32_t> code_unit(std::string_view text, size_t at) {
  if (at + 6 > text.size() || text[at] != '\\' || text[at + 1] != 'u') return std::nullopt;
  uint32_t unit = 0;
  const char* end = text.data() + at + 6;
  if (std::from_chars(text.data() + at + 2, end, unit, 16).ptr != end) return std::nullopt;
  return unit;
}

/// What Python's parser lets pass and a strict one does not: a half of a surrogate pair becomes
/// \ufffd (and sets `repaired`), NaN and Infinity outside of strings become their stand-ins.
std::string make_strict(std::string_view text, bool& repaired) {
  std::string out;
  bool in_string = false;
  for (size_t at = 0; at < text.size();) {
    size_t length = 1;
    std::string_view replacement;
    if (text[at] == '"') in_string = !in_string;
    if (in_string && text[at] == '\\') {
      length = 2;
      if (const auto unit = code_unit(text, at); unit && (*unit & 0xF800) == 0xD800) {
        const auto second = code_unit(text, at + 6);
        const bool pair = *unit < 0xDC00 && second && (*second & 0xFC00) == 0xDC00;
        length = pair ? 12 : 6;
        if (!pair) replacement = "\\ufffd";
        repaired = repaired || !pair;
      }
    } else if (!in_string) {
      for (const NamedNumber& number : kNamedNumbers) {
        if (!text.substr(at).starts_with(number.name)) continue;
        length = number.name.size();
        replacement = number.stand_in;
        break;
      }
    }
    out += replacement.empty() ? text.substr(at, length) : replacement;
    at += length;
  }
  return out;
}

/// The row, or what is wrong with the text.
std::string try_parse(const std::string& text, const Columns& columns, Row& row,
                      std::vector<std::string>* keys) {
  row = {};
  if (keys) keys->clear();
  RowHandler handler(columns, row, keys);
  return Json::sax_parse(text, &handler) ? "" : handler.problem();
}

/// Fills the keys too when they are wanted. Throws when the text is no row, even after make_strict.
Row parse(std::string& text, const Columns& columns, const std::string& place,
          std::vector<std::string>* keys) {
  Row row;
  bool repaired = replace_invalid_utf8(text);
  std::string problem = try_parse(text, columns, row, keys);
  if (!problem.empty()) {
    const std::string strict = make_strict(text, repaired);
    if (strict != text) problem = try_parse(strict, columns, row, keys);
  }
  if (!problem.empty()) throw DatasetError("{}: {}", place, problem);
  row.repaired = repaired;
  return row;
}

}  // namespace

Row parse_json_row(std::string& text, const Columns& columns, const std::string& place) {
  return parse(text, columns, place, nullptr);
}

std::vector<std::string> json_row_columns(std::string& text, const std::string& place) {
  std::vector<std::string> keys;
  parse(text, {}, place, &keys);
  return keys;
}

}  // namespace qk::source
