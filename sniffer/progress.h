#pragma once
/// The progress line on stderr: redrawn in place on a terminal, elsewhere a plain line every ten
/// seconds.
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

namespace qk::sniffer {

struct ProgressState {
  int64_t documents = 0, tokens = 0, rows = 0;      ///< of the whole capture
  int64_t documents_before = 0, tokens_before = 0;  ///< of an earlier run that this one continues
  std::optional<int64_t> documents_total;
  double fraction = 0;         ///< 0..1, of the dataset
  double seconds_text = 0;     ///< the forward pass waited for texts
  double seconds_forward = 0;  ///< the forward pass ran
  double seconds_writing = 0;  ///< the forward pass waited for the disk
};

/// "312/500 documents  40.1M tokens  9,712 tok/s  1.2M rows  1:02:33 left  limited by the model"
std::string describe(const ProgressState& state, double seconds);

/// 12,345 · 1.2M · 3.4G
std::string short_number(double value);
/// 0.4 s, 12 s, 3:25, 1:02:33
std::string short_time(double seconds);

class Progress {
 public:
  explicit Progress(bool quiet);
  ~Progress();

  /// Shows the state if the line is due for it; cheap otherwise, so call it as often as there is
  /// news.
  void update(const ProgressState& state);
  /// The same for another text ("writing files 12/300").
  void show(const std::string& text);

 private:
  void draw();

  const bool quiet_, terminal_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::mutex mutex_;  // messages of other threads redraw the line
  std::chrono::steady_clock::time_point due_ = start_;
  std::string line_;
};

}  // namespace qk::sniffer
