#pragma once
/// What a bucket's number means in a capture (docs/format.md).
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "report/capture.h"

namespace qk::report {

/// First and last position of a bucket; nullopt when run.json doesn't tell the sampler.
std::optional<std::pair<int64_t, int64_t>> bucket_positions(const Capture& capture, int32_t bucket);

/// "64-127", or empty.
std::string bucket_label(const Capture& capture, int32_t bucket);

}  // namespace qk::report
