#pragma once
/// The numbers of a run under way, for whoever watches it: a view in the terminal (--watch) and
/// lines of JSON in a file (--metrics).
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "sniffer/progress.h"
#include "sniffer/progress_gpu.h"

namespace qk::sniffer {

/// One look at the run.
struct Snapshot {
  ProgressState state;
  double seconds = 0;                 ///< since the start
  double tokens_per_second = 0;       ///< since the last look
  double tokens_per_second_mean = 0;  ///< since the start
  std::optional<double> seconds_left;
  double queue = 0;                            ///< how full the writer's queue is, 0..1
  int64_t memory_bytes = 0;                    ///< of this process, resident
  std::optional<GpuUse> gpu;                   ///< of the first GPU
  std::map<int32_t, int64_t> rows_per_bucket;  ///< captured by this run
  bool finished = false;
};

/// Several lines for a terminal of this width.
std::string watch_text(const Snapshot& snapshot, size_t width);

/// One line, without the newline.
std::string metrics_line(const Snapshot& snapshot);

struct MonitorOptions {
  bool watch = false;             ///< draw on stderr, if it is a terminal
  std::filesystem::path metrics;  ///< lines are appended; empty: none
  std::chrono::milliseconds watch_interval{500}, metrics_interval{2000};
};

class Monitor {
 public:
  /// Throws OutputError when the metrics file can't be opened.
  explicit Monitor(MonitorOptions options);
  ~Monitor();

  /// True when the view takes the place of the progress line.
  bool watching() const { return watching_; }

  /// Rows of one block, of so many heads; then looks, when a look is due. Cheap otherwise.
  /// queue: how full the writer's queue is, 0..1.
  void update(const ProgressState& state, std::span<const int32_t> buckets, int64_t heads,
              double queue);

  /// The last look, with the numbers of the whole run.
  void finish(const ProgressState& state);

 private:
  using Clock = std::chrono::steady_clock;

  Snapshot look(const ProgressState& state, double queue);
  void write(const Snapshot& snapshot);
  void draw(const std::string& text);
  void erase();

  const MonitorOptions options_;
  const bool watching_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point watch_due_ = start_, metrics_due_ = start_;
  std::ofstream metrics_;
  GpuMeter gpu_;
  std::map<int32_t, int64_t> rows_per_bucket_;
  double last_seconds_ = 0;
  int64_t last_tokens_ = -1;
  double recent_rate_ = 0;
  std::mutex mutex_;  // messages of other threads redraw the view
  std::string shown_;
};

}  // namespace qk::sniffer
