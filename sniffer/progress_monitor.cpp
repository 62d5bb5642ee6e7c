#include "sniffer/progress_monitor.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/log.h"
#include "base/numbers.h"

namespace qk::sniffer {
namespace {

constexpr size_t kBarWidth = 24;
constexpr size_t kShownBuckets = 8;

std::string bar(double share) {
  const auto full = static_cast<size_t>(std::clamp(share, 0.0, 1.0) * kBarWidth + 0.5);
  return fmt::format("[{}{}] {:3.0f} %", std::string(full, '#'), std::string(kBarWidth - full, '-'),
                     100 * share);
}

std::string line(const char* label, const std::string& text) {
  return fmt::format("{:<9}{}\n", label, text);
}

std::string bucket_lines(const std::map<int32_t, int64_t>& buckets) {
  if (buckets.empty()) return "";
  int64_t most = 1;
  for (const auto& [bucket, rows] : buckets) most = std::max(most, rows);
  std::string text;
  size_t shown = 0;
  for (const auto& [bucket, rows] : buckets) {
    if (++shown > kShownBuckets) {
      return text + line("", fmt::format("and {} more buckets", buckets.size() - kShownBuckets));
    }
    const auto length = static_cast<size_t>(kBarWidth * rows / most);
    text += line(shown == 1 ? "rows of" : "",
                 fmt::format("bucket {:<5} {:<{}} {}", bucket, std::string(length, '#'), kBarWidth,
                             short_number(static_cast<double>(rows))));
  }
  return text;
}

/// Every line at most `width` characters, so that none wraps.
std::string cut_lines(const std::string& text, size_t width) {
  std::string cut;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    cut += text.substr(begin, std::min(end - begin, width)) + "\n";
    begin = end + 1;
  }
  return cut;
}

int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  int64_t all = 0, resident = 0;
  file >> all >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

size_t terminal_width() {
  winsize size{};
  const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
  return known ? size.ws_col - 1u : 79u;
}

std::optional<double> seconds_left(const ProgressState& s, double seconds) {
  const double before =
      s.documents_total && *s.documents_total > 0
          ? static_cast<double>(s.documents_before) / static_cast<double>(*s.documents_total)
          : 0;
  const double share = s.fraction - before;
  if (share <= 0 || s.documents <= s.documents_before) return std::nullopt;
  return seconds * (1 - s.fraction) / share;
}

}  // namespace

std::string watch_text(const Snapshot& s, size_t width) {
  const ProgressState& state = s.state;
  const double stages =
      std::max(state.seconds_text + state.seconds_forward + state.seconds_writing, 1e-9);
  const std::string total =
      state.documents_total ? fmt::format(" of {}", *state.documents_total) : "";
  std::string text = line(
      "done",
      bar(state.fraction) +
          (s.seconds_left ? fmt::format("  {} left", short_time(*s.seconds_left)) : std::string()));
  text += line("texts", fmt::format("{}{} documents", state.documents, total));
  text += line("tokens", fmt::format("{}, {}/s now, {}/s since the start",
                                     short_number(static_cast<double>(state.tokens)),
                                     short_number(s.tokens_per_second),
                                     short_number(s.tokens_per_second_mean)));
  text += line(
      "time", fmt::format("{}: text {:.0f} %, model {:.0f} %, disk {:.0f} %", short_time(s.seconds),
                          100 * state.seconds_text / stages, 100 * state.seconds_forward / stages,
                          100 * state.seconds_writing / stages));
  text += line("queue", bar(s.queue) + "  rows on their way to the disk");
  std::string memory = readable_bytes(s.memory_bytes);
  if (s.gpu) {
    memory += fmt::format("; GPU {:.0f} % busy, {} of {}", 100 * s.gpu->share,
                          readable_bytes(s.gpu->used_bytes), readable_bytes(s.gpu->total_bytes));
  }
  text += line("memory", memory);
  text += line("rows", short_number(static_cast<double>(state.rows)));
  return cut_lines(text + bucket_lines(s.rows_per_bucket), width);
}

std::string metrics_line(const Snapshot& s) {
  using Json = nlohmann::ordered_json;
  const ProgressState& state = s.state;
  Json buckets = Json::object(), gpu = nullptr;
  for (const auto& [bucket, rows] : s.rows_per_bucket) buckets[std::to_string(bucket)] = rows;
  if (s.gpu) {
    gpu = {{"share", s.gpu->share},
           {"used_bytes", s.gpu->used_bytes},
           {"total_bytes", s.gpu->total_bytes}};
  }
  const auto optional = [](const auto& value) { return value ? Json(*value) : Json(nullptr); };
  return Json{{"seconds", s.seconds},
              {"finished", s.finished},
              {"documents", state.documents},
              {"documents_total", optional(state.documents_total)},
              {"tokens", state.tokens},
              {"rows", state.rows},
              {"fraction", state.fraction},
              {"seconds_left", optional(s.seconds_left)},
              {"tokens_per_second", s.tokens_per_second},
              {"tokens_per_second_mean", s.tokens_per_second_mean},
              {"stage_seconds",
               {{"text", state.seconds_text},
                {"model", state.seconds_forward},
                {"disk", state.seconds_writing}}},
              {"queue", s.queue},
              {"memory_bytes", s.memory_bytes},
              {"gpu", gpu},
              {"rows_per_bucket", buckets}}
      .dump();
}

Monitor::Monitor(MonitorOptions options)
    : options_(std::move(options)), watching_(options_.watch && ::isatty(STDERR_FILENO) != 0) {
  if (!options_.metrics.empty()) {
    metrics_.open(options_.metrics, std::ios::app);
    if (!metrics_) {
      throw OutputError("--metrics {}: can't be written: {}", options_.metrics.string(),
                        std::strerror(errno));
    }
  }
  if (!watching_) return;
  log::set_line_hook([this](bool after) {
    const std::scoped_lock lock(mutex_);
    if (!after) {
      erase();
    } else if (!shown_.empty()) {
      fmt::print(stderr, "{}", shown_);
    }
  });
}

Monitor::~Monitor() {
  if (watching_) log::set_line_hook(nullptr);
}

Snapshot Monitor::look(const ProgressState& state, double queue) {
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  if (last_tokens_ < 0) last_tokens_ = state.tokens_before;
  if (state.tokens > last_tokens_) {
    recent_rate_ =
        static_cast<double>(state.tokens - last_tokens_) / std::max(seconds - last_seconds_, 1e-9);
    last_tokens_ = state.tokens;
    last_seconds_ = seconds;
  }
  const auto done = static_cast<double>(state.tokens - state.tokens_before);
  return {.state = state,
          .seconds = seconds,
          .tokens_per_second = recent_rate_,
          .tokens_per_second_mean = done / std::max(seconds, 1e-9),
          .seconds_left = seconds_left(state, seconds),
          .queue = queue,
          .memory_bytes = resident_bytes(),
          .gpu = gpu_.read(),
          .rows_per_bucket = rows_per_bucket_};
}

void Monitor::update(const ProgressState& state, std::span<const int32_t> buckets, int64_t heads,
                     double queue) {
  if (!watching_ && !metrics_.is_open()) return;
  for (const int32_t bucket : buckets) rows_per_bucket_[bucket] += heads;
  const Clock::time_point now = Clock::now();
  const bool draws = watching_ && now >= watch_due_,
             writes = metrics_.is_open() && now >= metrics_due_;
  if (!draws && !writes) return;
  const Snapshot snapshot = look(state, queue);
  if (draws) {
    draw(watch_text(snapshot, terminal_width()));
    watch_due_ = now + options_.watch_interval;
  }
  if (writes) {
    write(snapshot);
    metrics_due_ = now + options_.metrics_interval;
  }
}

void Monitor::finish(const ProgressState& state) {
  Snapshot snapshot = look(state, 0);
  snapshot.finished = true;
  snapshot.state.fraction = 1;
  snapshot.seconds_left = 0;
  if (metrics_.is_open()) write(snapshot);
  if (!watching_) return;
  draw(watch_text(snapshot, terminal_width()));
  const std::scoped_lock lock(mutex_);
  shown_.clear();  // it stays on the screen
}

/// A monitor that can't write is no reason to stop a run.
void Monitor::write(const Snapshot& snapshot) {
  metrics_ << metrics_line(snapshot) << std::endl;
  if (metrics_) return;
  log::warn("--metrics {}: can't be written any more; the run goes on", options_.metrics.string());
  metrics_.close();
}

void Monitor::draw(const std::string& text) {
  const std::scoped_lock lock(mutex_);
  erase();
  shown_ = text;
  fmt::print(stderr, "{}", shown_);
}

void Monitor::erase() {
  const auto lines = std::ranges::count(shown_, '\n');
  if (lines > 0) fmt::print(stderr, "\033[{}A\r\033[J", lines);
}

}  // namespace qk::sniffer
