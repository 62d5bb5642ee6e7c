#include "source/utf8.h"

#include <cstdint>
#include <cstring>

namespace qk::source {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

struct Sequence {
  size_t length;  ///< bytes that belong together
  bool valid;
};

bool is_continuation(unsigned char byte) { return (byte & 0xC0) == 0x80; }

/// The sequence at the start of `text`; an invalid one is the maximal part that a valid one could
/// begin with (at least 1). Source: Unicode 14, table 3-7.
Sequence sequence_at(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {1, true};
  if (lead < 0xC2 || lead > 0xF4) return {1, false};
  const size_t wanted = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (text.size() < 2 || byte(1) < low || byte(1) > high) return {1, false};
  for (size_t i = 2; i < wanted; ++i) {
    if (text.size() <= i || !is_continuation(byte(i))) return {i, false};
  }
  return {wanted, true};
}

/// Length of the valid start of the text.
size_t valid_prefix(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    uint64_t word;
    while (at + sizeof word <= text.size()) {
      std::memcpy(&word, text.data() + at, sizeof word);
      if (word & 0x8080808080808080u) break;
      at += sizeof word;
    }
    if (at == text.size()) break;
    const Sequence sequence = sequence_at(text.substr(at));
    if (!sequence.valid) return at;
    at += sequence.length;
  }
  return at;
}

}  // namespace

bool is_valid_utf8(std::string_view text) { return valid_prefix(text) == text.size(); }

bool replace_invalid_utf8(std::string& text) {
  size_t good = valid_prefix(text);
  if (good == text.size()) return false;
  std::string out;
  out.reserve(text.size() + 16);
  std::string_view rest = text;
  while (true) {
    out += rest.substr(0, good);
    rest.remove_prefix(good);
    if (rest.empty()) break;
    out += kReplacement;
    rest.remove_prefix(sequence_at(rest).length);
    good = valid_prefix(rest);
  }
  text = std::move(out);
  return true;
}

char32_t next_code_point(std::string_view text, size_t& at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(at++);
  if (lead < 0x80) return lead;
  const int more = lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
  char32_t code = lead & (0x3F >> more);
  for (int i = 0; i < more; ++i) code = (code << 6) | (byte(at++) & 0x3F);
  return code;
}

}  // namespace qk::source
