#pragma once
/// A capture from its branch on the Hub into data_root.
#include <atomic>
#include <cstdint>
#include <string>

#include "sniffer/config.h"

namespace qk::sniffer {

struct PullOptions {
  bool replace = false;  ///< another capture in data_root makes room
  const std::atomic<bool>* stop = nullptr;
};

struct PullResult {
  std::string commit;
  int64_t fetched = 0, kept = 0;  ///< files
};

/// Brings the capture on output.hf_branch into output.data_root, where it appears in one step when
/// all of it has arrived and was checked by hash. A pull that was cut off goes on; files that are
/// there and right stay; an edited card stays too. Files of the branch that belong to no capture
/// are left out. Throws ConfigError; HubError: the branch holds no capture, or a damaged one;
/// OutputError: another run, foreign files, another capture in data_root, no space; Interrupted.
PullResult pull_capture(const SniffConfig& config, const PullOptions& options);

}  // namespace qk::sniffer
