#pragma once
/// Is the data sound? The tables of `sniff-qk inspect`.
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "report/capture.h"
#include "report/head_statistics.h"

namespace qk::report {

/// Something about the data that a reader should know.
struct Flag {
  enum class Level { Note, Problem };
  Level level = Level::Note;
  std::string where;  ///< head, or empty for the whole capture
  std::string text;

  bool operator==(const Flag&) const = default;
};

struct Inspection {
  std::vector<HeadStatistics> heads;  ///< as Capture::heads
  std::vector<Flag> flags;            ///< problems first
};

/// Called when another head is done, by one thread at a time.
using OnHead = std::function<void(int64_t done, int64_t all)>;

/// Reads every file once, several at a time. Throws OutputError.
Inspection inspect(const Capture& capture, const OnHead& on_head);

/// What is odd about the capture. heads: as Capture::heads.
std::vector<Flag> find_flags(const Capture& capture, const std::vector<HeadStatistics>& heads);

std::string inspection_text(const Capture& capture, const Inspection& inspection);
nlohmann::ordered_json inspection_json(const Capture& capture, const Inspection& inspection);

/// The same for one head.
std::string head_text(const Capture& capture, const HeadFile& head, const HeadStatistics& s);
nlohmann::ordered_json head_json(const HeadFile& head, const HeadStatistics& s);

}  // namespace qk::report
