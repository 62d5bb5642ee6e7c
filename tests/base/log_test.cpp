#include "base/log.h"

#include <gtest/gtest.h>

#include <string>

namespace qk {
namespace {

class Log : public testing::Test {
 protected:
  ~Log() override {
    log::set_level(log::Level::Info);
    log::set_line_hook(nullptr);
  }

  static std::string written_at(log::Level level) {
    log::set_level(level);
    testing::internal::CaptureStderr();
    log::debug("a {}", 1);
    log::info("b {}", 2);
    log::warn("c {}", 3);
    return testing::internal::GetCapturedStderr();
  }
};

TEST_F(Log, WritesFromItsLevelUpwards) {
  EXPECT_EQ(written_at(log::Level::Debug), "debug: a 1\nb 2\nwarning: c 3\n");
  EXPECT_EQ(written_at(log::Level::Info), "b 2\nwarning: c 3\n");
  EXPECT_EQ(written_at(log::Level::Warn), "warning: c 3\n");
  EXPECT_EQ(written_at(log::Level::Off), "");
}

TEST_F(Log, CallsTheHookAroundEachLine) {
  std::string calls;
  log::set_line_hook([&](bool after) { calls += after ? ')' : '('; });
  written_at(log::Level::Info);
  EXPECT_EQ(calls, "()()");
}

}  // namespace
}  // namespace qk
