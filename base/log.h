#pragma once
/// Messages to the user: a line each, on stderr. Any thread may write.
#include <fmt/format.h>

#include <functional>
#include <string>
#include <string_view>

namespace qk::log {

enum class Level { Debug, Info, Warn, Off };

/// Messages of lower levels are dropped; Info to begin with. Off drops all of them.
void set_level(Level level);
Level level();

/// What every message begins with, as "rank 2: "; nothing to begin with.
void set_speaker(std::string speaker);

/// Called with false before each message and with true after it, so that a line of progress on the
/// terminal can be erased and drawn again. It must not write messages itself. Empty: no hook.
void set_line_hook(std::function<void(bool after)> hook);

/// Writes the message, whatever set_level() says.
void write(Level level, std::string_view message);

/// Writes a last line, for a process that ends at once: a progress line is cleared for good.
void end_with(std::string_view message);

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
