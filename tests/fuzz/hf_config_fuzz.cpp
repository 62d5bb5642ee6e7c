/// Any text is a config.json or a CheckpointError, and each getter gives a value or a
/// CheckpointError.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "checkpoint/hf_config.h"
#include "checkpoint/json_file.h"

namespace {

using qk::checkpoint::HfConfig;

template <typename Getter>
void get(Getter getter) {
  try {
    getter();
  } catch (const qk::CheckpointError&) {
  }
}

void read_all(const HfConfig& config) {
  for (const auto& item : config.json().items()) {
    const std::string& key = item.key();
    get([&] { config.integer(key); });
    get([&] { config.number(key); });
    get([&] { config.boolean(key); });
    get([&] { config.text(key); });
    get([&] { config.integers(key); });
    get([&] { config.texts(key); });
    get([&] { read_all(config.object(key)); });
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  get([&] {
    read_all(HfConfig(qk::checkpoint::parse_python_object(text, "config.json"), "config.json"));
  });
  return 0;
}
