#pragma once
/// Messages to the user, on stderr. A progress line that is being shown is cleared before a message
/// and drawn again after it (base/progress.h installs the hook). Levels: debug
/// (inference.debug_logging), info, warn.
#include <fmt/format.h>

#include <functional>
#include <string>
#include <string_view>

namespace qk::log {

enum class Level { Debug, Info, Warn, Off };

void set_level(Level level);
Level level();

/// Who speaks, before every message ("rank 2: "); nobody to begin with.
void set_speaker(std::string speaker);

/// Called around each message: false before it, true after it.
void set_line_hook(std::function<void(bool after)> hook);

/// Writes one line. Thread-safe.
void write(Level level, std::string_view message);

template <typename... Args>
void debug(fmt::format_string<Args...> text, Args&&... args) {
  if (level() <= Level::Debug) write(Level::Debug, fmt::format(text, std::forward<Args>(args)...));
}
template <typename... Args>
void info(fmt::format_string<Args...> text, Args&&... args) {
  if (level() <= Level::Info) write(Level::Info, fmt::format(text, std::forward<Args>(args)...));
}
template <typename... Args>
void warn(fmt::format_string<Args...> text, Args&&... args) {
  if (level() <= Level::Warn) write(Level::Warn, fmt::format(text, std::forward<Args>(args)...));
}

}  // namespace qk::log
