#pragma once
/// One capture by several ranks: what each takes of its host, and that all mean the same capture.
#include <c10/core/Device.h>

#include <string>
#include <vector>

#include "parallel/job.h"
#include "sniffer/config.h"
#include "sniffer/pipeline_setup.h"

namespace qk::sniffer {

/// What inference.parallel: auto means on this host, by the model's config.json and the memory of
/// its GPUs; only looks at it. Throws the errors of config, Hub and model.
Parallel parallel_on_host(const SniffConfig& config);

/// What each process of a job computes on that sniff-qk starts by itself: inference.processes of
/// them, else one for each GPU if the config names no single device and they don't work together.
/// Throws ConfigError as choose_device does.
std::vector<std::string> devices_of_processes(const SniffConfig& config, Parallel parallel);

/// "4 processes, one per GPU".
std::string describe_processes(const std::vector<std::string>& devices);

/// Throws ConfigError where inference says other than what mpirun or srun has started.
void check_launched(const InferenceConfig& config);

/// inference.threads, else this rank's part of the host's cores, or those it is bound to if that is
/// fewer.
void set_threads_of_rank(const InferenceConfig& config, const parallel::Job& job);

/// What inference.parallel: auto means for all ranks: what rank 0 knows already, else what fits the
/// rank that has the fewest GPUs and the least memory. All ranks call it, before any holds weights.
Parallel agreed_parallel(const SniffConfig& config, std::optional<Parallel> known,
                         const Inputs& inputs, parallel::Job& job);

/// Where this rank computes: ranks of a host whose config names no single GPU take its GPUs in
/// turn, with inference.parallel: heads or layers an equal share of them each. Throws ConfigError
/// as choose_devices does, and where the ranks can't share evenly.
std::vector<at::Device> devices_of_rank(const SniffConfig& config, const parallel::Job& job);

/// open_inputs() on rank 0 first, so that it alone downloads. All ranks call it.
Inputs open_inputs_of_job(const SniffConfig& config, const InputOptions& options,
                          parallel::Job& job);

/// Rank 0 throws ConfigError when another rank has another program, config, model, tokenizer or
/// dataset. All ranks call it.
void check_same_capture(const SniffConfig& config, const Inputs& inputs, const std::string& version,
                        parallel::Job& job);

}  // namespace qk::sniffer
