#include "saver/space.h"

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "base/numbers.h"
#include "saver/file_io.h"

namespace qk::saver {
namespace {

constexpr int64_t kLeastDocuments = 64;  // fewer say little about all

}  // namespace

uint64_t most_final_bytes(const CaptureLayout& layout, const CaptureTotals& totals) {
  constexpr uint64_t kRowBytes = 24;
  constexpr uint64_t kFileBytes = 4096;
  const auto vector_bytes = static_cast<uint64_t>(layout.head_dim * bytes_of(layout.vector_type));
  const uint64_t widened =
      layout.vector_type == VectorType::Float16 ? vector_bytes * 5 / 4 : vector_bytes;
  uint64_t files = 0;
  for (const LayerHeads& group : layout.groups) files += group.heads.size();
  const auto rows = static_cast<uint64_t>(totals.rows_of_all_heads(layout));
  return rows * (widened + kRowBytes) + files * kFileBytes;
}

void check_final_space(const std::filesystem::path& root, uint64_t most, uint64_t begun_bytes) {
  const uint64_t left = free_bytes(root) + begun_bytes;
  if (left >= most) return;
  if (left < most / 4) {
    throw OutputError(
        "{}: the final files need up to {}, {} are left. Free some space there, then run the same "
        "command: it continues where it stopped.",
        root.string(), readable_bytes(most), readable_bytes(left));
  }
  log::warn("{}: the final files need up to {}, {} are left; it may not fit", root.string(),
            readable_bytes(most), readable_bytes(left));
}

bool check_room(const std::filesystem::path& root, const std::string& what, uint64_t needed,
                bool warn, uint64_t begun_bytes) {
  const uint64_t left = free_bytes(root) + begun_bytes;
  if (needed <= left) return true;
  const std::string text = fmt::format("{}: {} will need about {}, {} are left", root.string(),
                                       what, readable_bytes(needed), readable_bytes(left));
  if (needed / 2 > left) {
    throw OutputError(
        "{}. Free some space there, then run the same command: what is captured is kept. Or "
        "capture less (fewer heads or documents, a sparser sampler), or choose another "
        "output.data_root.",
        text);
  }
  if (warn) log::warn("{}; it may not fit", text);
  return false;
}

SpaceForecast::SpaceForecast(std::filesystem::path root, std::optional<int64_t> documents_total)
    : root_(std::move(root)), total_(documents_total) {
  if (total_) next_ = std::max(kLeastDocuments, *total_ / 100);
}

void SpaceForecast::begin(const Taken& found, std::optional<int64_t> tokens_left) {
  found_ = found;
  tokens_left_ = tokens_left;
}

/// What is left to capture, as a multiple of what this run has captured.
double SpaceForecast::share_left(const Taken& taken) const {
  const auto ratio = [](int64_t all, int64_t now) {
    return static_cast<double>(std::max<int64_t>(0, all - now)) /
           static_cast<double>(std::max<int64_t>(1, now));
  };
  if (tokens_left_) return ratio(*tokens_left_, taken.tokens - found_.tokens);
  return ratio(*total_ - found_.documents, taken.documents - found_.documents);
}

void SpaceForecast::check(const Taken& taken) {
  const int64_t documents = taken.documents - found_.documents;
  if (!total_ || documents < next_ || taken.documents >= *total_) return;
  next_ = 2 * documents;
  const uint64_t written =
      taken.spool_bytes + taken.final_bytes - found_.spool_bytes - found_.final_bytes;
  const double rest = static_cast<double>(written) * share_left(taken);
  const auto needed = static_cast<uint64_t>(rest) + taken.final_bytes;
  const std::string what =
      fmt::format("after {} of {} documents, the rest", taken.documents, *total_);
  if (!check_room(root_, what, needed, !warned_, taken.begun_bytes)) warned_ = true;
}

}  // namespace qk::saver
