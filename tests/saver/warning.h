#pragma once
#include <atomic>

#include "base/log.h"

namespace qk::saver::testing {

/// Sees a warning to the user.
class Warning {
 public:
  Warning() {
    log::set_level(log::Level::Warn);
    log::set_line_hook([this](bool after) { came_ = came_ || after; });
  }
  ~Warning() {
    log::set_line_hook({});
    log::set_level(log::Level::Off);
  }
  bool came() const { return came_; }

 private:
  std::atomic<bool> came_ = false;
};

}  // namespace qk::saver::testing
