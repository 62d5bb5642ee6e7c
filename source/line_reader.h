#pragma once
/// A file as lines, of any length.
#include <cstdint>
#include <string>
#include <string_view>

#include "source/byte_reader.h"

namespace qk::source {

enum class Newlines { LineFeed, Universal };  ///< "\n" only; or "\n", "\r\n" and "\r"

class LineReader {
 public:
  LineReader(const DataFile& file, Newlines newlines) : bytes_(file), newlines_(newlines) {}

  /// The next line without its end; false when there is none. A file that ends in a newline has no
  /// further, empty line.
  bool next(std::string& line);

  /// The number of the line last read, from 1.
  int64_t line_number() const { return line_number_; }

  double progress() const { return bytes_.progress(); }

 private:
  bool fill();
  void pass_line_feed();

  ByteReader bytes_;
  Newlines newlines_;
  std::string_view block_;
  int64_t line_number_ = 0;
};

}  // namespace qk::source
