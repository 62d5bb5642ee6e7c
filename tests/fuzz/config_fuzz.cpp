/// Any text is a config or a ConfigError.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/error.h"
#include "base/log.h"
#include "sniffer/config.h"

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  qk::log::set_level(qk::log::Level::Off);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    qk::sniffer::parse_config(std::string(reinterpret_cast<const char*>(data), size), "fuzz", {});
  } catch (const qk::ConfigError&) {
  }
  return 0;
}
