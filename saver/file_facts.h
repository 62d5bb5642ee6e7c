#pragma once
/// What run.json says about one file of a capture.
#include <cstdint>
#include <string>

namespace qk::saver {

struct FileFacts {
  std::string name;  ///< relative to data_root, with '/'
  int64_t rows = 0;
  uint64_t bytes = 0;
  std::string sha256;
};

}  // namespace qk::saver
