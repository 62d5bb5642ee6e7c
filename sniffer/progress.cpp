#include "sniffer/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/log.h"
#include "base/numbers.h"

namespace qk::sniffer {
namespace {

constexpr std::chrono::milliseconds kTerminalInterval{200};
constexpr std::chrono::milliseconds kPlainInterval = std::chrono::seconds(10);
constexpr const char* kEraseLine = "\r\033[K";

const char* limit(const ProgressState& s) {
  const double most = std::max({s.seconds_text, s.seconds_forward, s.seconds_writing});
  if (most == s.seconds_forward) return "the model";
  return most == s.seconds_text ? "reading and tokenizing" : "the disk";
}

}  // namespace

std::string short_number(double value) {
  if (value < 100'000) return grouped(static_cast<int64_t>(value));
  if (value < 1e9) return fmt::format("{:.1f}M", value / 1e6);
  return fmt::format("{:.1f}G", value / 1e9);
}

std::string short_time(double seconds) {
  if (seconds < 10) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<int64_t>(seconds);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string describe(const ProgressState& s, double seconds) {
  const std::string total = s.documents_total ? "/" + grouped(*s.documents_total) : "";
  const double rate = seconds > 0 ? static_cast<double>(s.tokens - s.tokens_before) / seconds : 0;
  std::string line =
      fmt::format("{}{} documents  {} tokens  {} tok/s  {} rows", grouped(s.documents), total,
                  short_number(static_cast<double>(s.tokens)), short_number(rate),
                  short_number(static_cast<double>(s.rows)));
  const double before =
      s.documents_total && *s.documents_total > 0
          ? static_cast<double>(s.documents_before) / static_cast<double>(*s.documents_total)
          : 0;
  const double share = s.fraction - before;
  if (share > 0 && s.documents > s.documents_before) {
    line += fmt::format("  {} left", short_time(seconds * (1 - s.fraction) / share));
  }
  if (seconds > 1) line += fmt::format("  limited by {}", limit(s));
  return line;
}

Progress::Progress(bool quiet) : quiet_(quiet), terminal_(isatty(STDERR_FILENO) != 0) {
  if (!terminal_) due_ += kPlainInterval;
  if (quiet_ || !terminal_) return;
  log::set_line_hook([this](bool after) {
    const std::scoped_lock lock(mutex_);
    if (line_.empty()) return;
    if (after) {
      draw();
    } else {
      fmt::print(stderr, "{}", kEraseLine);
    }
  });
}

Progress::~Progress() {
  if (quiet_ || !terminal_) return;
  log::set_line_hook(nullptr);
  if (!line_.empty()) fmt::print(stderr, "{}", kEraseLine);
}

void Progress::update(const ProgressState& state) {
  if (quiet_) return;
  const auto now = std::chrono::steady_clock::now();
  if (now >= due_) show(describe(state, std::chrono::duration<double>(now - start_).count()));
}

void Progress::show(const std::string& text) {
  const auto now = std::chrono::steady_clock::now();
  const std::scoped_lock lock(mutex_);
  if (quiet_ || now < due_ || text == line_) return;
  due_ = now + (terminal_ ? kTerminalInterval : kPlainInterval);
  line_ = text;
  draw();
}

/// On a terminal the line is cut to its width, so that it never wraps.
void Progress::draw() {
  if (!terminal_) {
    fmt::print(stderr, "{}\n", line_);
    return;
  }
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
  fmt::print(stderr, "\r{:.{}}\033[K", line_, known ? size.ws_col - 1 : 79);
}

}  // namespace qk::sniffer
