#include "source/example_id.h"

#include <blake2.h>

#include <bit>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "source/python_text.h"

namespace qk::source {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the digest is read as a little-endian integer");

struct PythonStr {
  std::string operator()(std::monostate) const { return "None"; }
  std::string operator()(bool value) const { return value ? "True" : "False"; }
  std::string operator()(int64_t value) const { return std::to_string(value); }
  std::string operator()(double value) const { return python_float(value); }
  std::string operator()(const std::string& value) const { return value; }
};

int64_t hash(std::string_view text) {
  int64_t digest = 0;
  const int status = blake2b(reinterpret_cast<uint8_t*>(&digest), text.data(), nullptr,
                             sizeof digest, text.size(), 0);
  QK_ASSERT(status == 0);
  return digest;
}

}  // namespace

std::string python_str(const IdValue& value) { return std::visit(PythonStr{}, value); }

int64_t example_id(const IdValue& value) {
  if (const bool* truth = std::get_if<bool>(&value)) return *truth ? 1 : 0;
  if (const int64_t* integer = std::get_if<int64_t>(&value)) return *integer;
  if (const double* number = std::get_if<double>(&value)) {
    const bool fits = *number >= -0x1p63 && *number < 0x1p63;
    if (fits && std::trunc(*number) == *number) return static_cast<int64_t>(*number);
  }
  return hash(python_str(value));
}

}  // namespace qk::source
