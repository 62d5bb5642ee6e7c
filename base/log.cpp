#include "base/log.h"

#include <atomic>
#include <cstdio>
#include <mutex>
#include <utility>

namespace qk::log {
namespace {

std::atomic<Level> current_level{Level::Info};
std::mutex output_mutex;
std::function<void(bool)> line_hook;
std::string speaker;

}  // namespace

void set_level(Level level) { current_level = level; }
Level level() { return current_level; }

void set_speaker(std::string who) {
  std::scoped_lock lock(output_mutex);
  speaker = std::move(who);
}

void set_line_hook(std::function<void(bool)> hook) {
  std::scoped_lock lock(output_mutex);
  line_hook = std::move(hook);
}

void write(Level level, std::string_view message) {
  std::scoped_lock lock(output_mutex);
  if (line_hook) line_hook(false);
  const char* prefix = level == Level::Warn ? "warning: " : level == Level::Debug ? "debug: " : "";
  fmt::print(stderr, "{}{}{}\n", speaker, prefix, message);
  if (line_hook) line_hook(true);
}

void end_with(std::string_view message) {
  std::scoped_lock lock(output_mutex);
  if (line_hook) std::exchange(line_hook, nullptr)(false);
  fmt::print(stderr, "{}\n", message);
}

}  // namespace qk::log
