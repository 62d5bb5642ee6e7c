#pragma once
/// Is a finished capture still what was written, and what its config says?
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>

#include "verify/report.h"

namespace qk::verify {

struct Options {
  int threads = 1;
  double recompute = 0;  ///< share of the documents to run the model over again; 0: none
  std::function<void(const std::string& text)> on_progress;
  const std::atomic<bool>* stop = nullptr;  ///< Ctrl-C
};

/// Checks every file; damage becomes findings, in the order of run.json. Memory: some row groups
/// per thread. Throws OutputError when there is no finished capture, Interrupted, and with
/// `recompute` what opening the model and the dataset throws.
Report verify(const std::filesystem::path& data_root, const Options& options);

}  // namespace qk::verify
