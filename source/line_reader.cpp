#include "source/line_reader.h"

#include <algorithm>

#include "source/char_set.h"

namespace qk::source {
namespace {

constexpr CharSet kUniversal("\r\n");

}  // namespace

bool LineReader::fill() {
  if (block_.empty()) block_ = bytes_.block();
  return !block_.empty();
}

/// After a carriage return: a line feed belongs to it.
void LineReader::pass_line_feed() {
  if (fill() && block_.front() == '\n') block_.remove_prefix(1);
}

bool LineReader::next(std::string& line) {
  line.clear();
  if (!fill()) return false;
  ++line_number_;
  while (fill()) {
    const size_t end = newlines_ == Newlines::LineFeed ? std::min(block_.find('\n'), block_.size())
                                                       : kUniversal.find_in(block_);
    line += block_.substr(0, end);
    if (end == block_.size()) {
      block_ = {};
      continue;
    }
    const bool carriage_return = block_[end] == '\r';
    block_.remove_prefix(end + 1);
    if (carriage_return) pass_line_feed();
    break;
  }
  return true;
}

}  // namespace qk::source
