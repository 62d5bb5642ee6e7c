#pragma once
/// Will it fit? Told before the disk is full.
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "saver/rows.h"
#include "saver/totals.h"

namespace qk::saver {

/// What the final files can take at most. Bits that widening to float32 adds are zero and compress
/// to nothing.
uint64_t most_final_bytes(const CaptureLayout& layout, const CaptureTotals& totals);

/// Before the final pass. Throws OutputError when files of `most` bytes can't fit; warns when they
/// may not. begun_bytes: of files that count as free, since they are a part of those, or are
/// removed before anything else has to go.
void check_final_space(const std::filesystem::path& root, uint64_t most, uint64_t begun_bytes);

/// Will `what` find its `needed` bytes? Throws OutputError when that is more than twice the free
/// space; false, with a warning if wanted, when it is more than there is.
bool check_room(const std::filesystem::path& root, const std::string& what, uint64_t needed,
                bool warn, uint64_t begun_bytes = 0);

/// What a capture takes at some moment.
struct Taken {
  int64_t documents = 0, tokens = 0;
  uint64_t spool_bytes = 0;  ///< now
  uint64_t final_bytes = 0;  ///< in the end, at most
  uint64_t begun_bytes = 0;  ///< of the final files that are there
};

/// Extrapolates what a run writes to the rest of the dataset.
class SpaceForecast {
 public:
  /// documents_total: nullopt where it isn't known; then nothing is told.
  SpaceForecast(std::filesystem::path root, std::optional<int64_t> documents_total);

  /// Before the run's first document. found: of earlier runs, whose documents may be unlike this
  /// one's. tokens_left: to be captured, about, where documents come longest first and their number
  /// tells little.
  void begin(const Taken& found, std::optional<int64_t> tokens_left);

  /// Looks now and then, as check_room does; warns once.
  void check(const Taken& taken);

 private:
  double share_left(const Taken& taken) const;

  std::filesystem::path root_;
  std::optional<int64_t> total_, tokens_left_;
  Taken found_;
  int64_t next_ = 0;  ///< documents of this run at which to look again
  bool warned_ = false;
};

}  // namespace qk::saver
