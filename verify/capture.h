#pragma once
/// The capture that is verified.
#include <filesystem>
#include <string>

#include "saver/run_file.h"
#include "sniffer/config.h"
#include "sniffer/sampling.h"

namespace qk::verify {

struct Capture {
  std::filesystem::path root;
  saver::FinishedCapture run;
  sniffer::SniffConfig config;
  sniffer::PositionSampler sampler;
};

/// Reads run.json. Throws OutputError when there is no finished capture.
Capture open_capture(const std::filesystem::path& root);

}  // namespace qk::verify
