#pragma once
/// One capture by several ranks: what each takes of its host, and that all mean the same capture.
#include <c10/core/Device.h>

#include <string>
#include <vector>

#include "parallel/job.h"
#include "sniffer/config.h"
#include "sniffer/pipeline_setup.h"

namespace qk::sniffer {

/// What each process of a job computes on that sniff-qk starts by itself: inference.processes of
/// them, else one for each GPU if the config names no single device. Throws ConfigError as
/// choose_device does.
std::vector<std::string> devices_of_processes(const SniffConfig& config);

/// "4 processes, one per GPU".
std::string describe_processes(const std::vector<std::string>& devices);

/// Throws ConfigError where inference says other than what mpirun or srun has started.
void check_launched(const InferenceConfig& config);

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
