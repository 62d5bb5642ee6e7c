#pragma once
/// A finished capture to its branch on the Hub. The way back: pipeline_pull.h
#include <atomic>
#include <string>

#include "hub/push.h"
#include "sniffer/config.h"

namespace qk::sniffer {

/// Throws ConfigError when the config names no repository; HubError when there is no token to push
/// with, or the Hub may not be asked.
void check_push(const OutputConfig& output);

/// Sends output.data_root to output.hf_repo_id. Throws ConfigError, OutputError (no finished
/// capture there), HubError (which says how to repeat), Interrupted.
hub::PushResult push_capture(const SniffConfig& config, const std::atomic<bool>* stop = nullptr);

/// "org/name, branch b"
std::string push_target(const OutputConfig& output);

/// Throws ConfigError when the config names no repository.
hub::PushTarget target_of(const OutputConfig& output);

}  // namespace qk::sniffer
