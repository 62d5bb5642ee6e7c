#pragma once
/// Numbers as people write them.
#include <fmt/format.h>

#include <concepts>
#include <cstdint>
#include <string>
#include <vector>

namespace qk {

/// 12,345,678; of what is not negative
std::string grouped(int64_t value);

/// 512 B, 1.5 MB, 3.2 GB (decimal)
std::string readable_bytes(double bytes);
std::string readable_bytes(std::integral auto bytes) {
  return readable_bytes(static_cast<double>(bytes));
}

/// "0-5, 7" of ascending whole numbers.
template <typename Number>
std::string ranges(const std::vector<Number>& numbers) {
  std::string text;
  for (size_t i = 0; i < numbers.size();) {
    size_t end = i + 1;
    while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1) ++end;
    if (!text.empty()) text += ", ";
    text += end - i == 1 ? fmt::format("{}", numbers[i])
                         : fmt::format("{}-{}", numbers[i], numbers[end - 1]);
    i = end;
  }
  return text;
}

}  // namespace qk
