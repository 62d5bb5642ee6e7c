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

/// Extrapolates what was written to the whole dataset.
class SpaceForecast {
 public:
  /// documents_total: nullopt where it isn't known; then nothing is told.
  SpaceForecast(std::filesystem::path root, std::optional<int64_t> documents_total);

  /// After so many documents, which take spool_bytes now and final_bytes at most in the end: looks
  /// now and then, as check_room does; warns once. begun_bytes: of the final files that are there.
  void check(int64_t documents, uint64_t spool_bytes, uint64_t final_bytes,
             uint64_t begun_bytes = 0);

 private:
  std::filesystem::path root_;
  std::optional<int64_t> total_;
  int64_t next_ = 0;  ///< documents at which to look again
  bool warned_ = false;
};

}  // namespace qk::saver
