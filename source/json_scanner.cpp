#include "source/json_scanner.h"

#include <algorithm>

#include "base/error.h"
#include "source/char_set.h"

namespace qk::source {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::string_view kWhiteSpace = " \t\r\n";
constexpr CharSet kInString("\"\\");
constexpr CharSet kStructure("\"{}[]");
constexpr CharSet kBehindBare(",:]} \t\r\n");

}  // namespace

JsonScanner::JsonScanner(const DataFile& file) : bytes_(file) {}

void JsonScanner::fail(std::string_view what) const {
  throw DatasetError("{}, line {}: {}; the file is damaged or not JSON", bytes_.file().name, line_,
                     what);
}

bool JsonScanner::fill() {
  if (!block_.empty()) return true;
  block_ = bytes_.block();
  if (!started_ && block_.starts_with(kByteOrderMark)) block_.remove_prefix(kByteOrderMark.size());
  started_ = true;
  return !block_.empty();
}

void JsonScanner::consume(size_t length, std::string* text) {
  const std::string_view part = block_.substr(0, length);
  if (text) text->append(part);
  line_ += std::ranges::count(part, '\n');
  block_.remove_prefix(part.size());
}

char JsonScanner::peek() {
  while (fill()) {
    const size_t start = block_.find_first_not_of(kWhiteSpace);
    consume(start, nullptr);
    if (!block_.empty()) return block_.front();
  }
  return '\0';
}

void JsonScanner::expect(char c) {
  if (!accept(c)) {
    const char found = peek();
    fail(found ? fmt::format("'{}' stands where '{}' must be", found, c)
               : fmt::format("the file ends where '{}' must be", c));
  }
}

bool JsonScanner::accept(char c) {
  if (peek() != c || block_.empty()) return false;
  consume(1, nullptr);
  return true;
}

void JsonScanner::take_value(std::string& text) {
  text.clear();
  take(&text);
}

void JsonScanner::skip_value() { take(nullptr); }

void JsonScanner::take(std::string* text) {
  switch (peek()) {
    case '"':
      return take_string(text);
    case '{':
    case '[':
      return take_nested(text);
    default:
      return take_bare(text);
  }
}

/// A string with its quotes; the block begins with the first one.
void JsonScanner::take_string(std::string* text) {
  consume(1, text);
  while (fill()) {
    const size_t stop = kInString.find_in(block_);
    consume(stop, text);
    if (block_.empty()) continue;
    const bool closing = block_.front() == '"';
    consume(1, text);
    if (closing) return;
    if (fill()) consume(1, text);  // the escaped character
  }
  fail("the file ends inside a string");
}

void JsonScanner::take_nested(std::string* text) {
  int64_t depth = 0;
  while (fill()) {
    const size_t stop = kStructure.find_in(block_);
    consume(stop, text);
    if (block_.empty()) continue;
    const char c = block_.front();
    if (c == '"') {
      take_string(text);
      continue;
    }
    consume(1, text);
    depth += c == '{' || c == '[' ? 1 : -1;
    if (depth == 0) return;
  }
  fail("the file ends inside a value");
}

/// A number, true, false, null, or what should be one.
void JsonScanner::take_bare(std::string* text) {
  size_t taken = 0;
  while (fill()) {
    const size_t stop = kBehindBare.find_in(block_);
    consume(stop, text);
    taken += stop;
    if (!block_.empty()) break;
  }
  if (taken == 0) fail("a value is missing");
}

}  // namespace qk::source
