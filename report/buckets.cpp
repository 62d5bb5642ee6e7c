#include "report/buckets.h"

#include <fmt/format.h>

#include <bit>
#include <charconv>

namespace qk::report {

std::optional<std::pair<int64_t, int64_t>> bucket_positions(const Capture& capture,
                                                            int32_t bucket) {
  const std::string size = capture.fact("sampling_bucket_size");
  int64_t width = 0;
  const auto parsed = std::from_chars(size.data(), size.data() + size.size(), width);
  if (parsed.ec != std::errc{} || width < 1 || bucket < 0) return std::nullopt;
  if (capture.fact("sampling_strategy") != "log_uniform")
    return std::pair{bucket * width, (bucket + 1) * width - 1};
  if (bucket > 40) return std::nullopt;  // beyond int32 positions
  const int least = std::bit_width(static_cast<uint64_t>(width) - 1);
  const int64_t first = bucket <= least ? 0 : (int64_t{1} << bucket) - 1;
  return std::pair{first, (int64_t{1} << (bucket + 1)) - 2};
}

std::string bucket_label(const Capture& capture, int32_t bucket) {
  const auto positions = bucket_positions(capture, bucket);
  return positions ? fmt::format("{}-{}", positions->first, positions->second) : "";
}

}  // namespace qk::report
