#pragma once
/// Cuts a stream of JSON into the texts of its values, without holding more than one of them.
/// Checks the brackets and quotes only; the values are parsed by whoever wants them.
#include <cstdint>
#include <string>
#include <string_view>

#include "source/byte_reader.h"

namespace qk::source {

class JsonScanner {
 public:
  explicit JsonScanner(const DataFile& file);

  /// The next character that is not white space (nor a byte order mark); '\0' at the end.
  char peek();

  /// Passes over the expected character. Throws DatasetError when another one stands there.
  void expect(char c);

  /// Passes over `c` if it is next.
  bool accept(char c);

  /// Passes over one whole value and stores its text. Throws DatasetError: none there, brackets
  /// that don't close.
  void take_value(std::string& text);
  void skip_value();

  int64_t line_number() const { return line_; }
  double progress() const { return bytes_.progress(); }

 private:
  bool fill();
  void take(std::string* text);
  void take_string(std::string* text);
  void take_nested(std::string* text);
  void take_bare(std::string* text);
  void consume(size_t length, std::string* text);
  [[noreturn]] void fail(std::string_view what) const;

  ByteReader bytes_;
  std::string_view block_;
  bool started_ = false;
  int64_t line_ = 1;
};

}  // namespace qk::source
