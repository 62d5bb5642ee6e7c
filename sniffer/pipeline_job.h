#pragma once
/// One capture by several ranks: what each takes of its host, and that all mean the same capture.
#include <c10/core/Device.h>

#include <string>
#include <vector>

#include "parallel/job.h"
#include "sniffer/config.h"
#include "sniffer/pipeline_setup.h"

namespace qk::sniffer {

/// inference.threads, else this rank's part of the host's cores, or those it is bound to if that is
/// fewer.
void set_threads_of_rank(const InferenceConfig& config, const parallel::Job& job);

/// Where this rank computes: ranks of a host whose config names no single GPU take its GPUs in
/// turn, with inference.parallel: heads an equal share of them each. Throws ConfigError as
/// choose_devices does, and where the ranks can't share evenly.
std::vector<at::Device> devices_of_rank(const SniffConfig& config, const parallel::Job& job);

/// open_inputs() on rank 0 first, so that it alone downloads. All ranks call it.
Inputs open_inputs_of_job(const SniffConfig& config, const InputOptions& options,
                          parallel::Job& job);

/// Rank 0 throws ConfigError when another rank has another program, config, model, tokenizer or
/// dataset. All ranks call it.
void check_same_capture(const SniffConfig& config, const Inputs& inputs, const std::string& version,
                        parallel::Job& job);

}  // namespace qk::sniffer
