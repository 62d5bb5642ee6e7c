#include "sniffer/pipeline_job.h"

#include <ATen/DeviceAccelerator.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/error.h"
#include "base/files.h"
#include "saver/run_file.h"
#include "sniffer/pipeline_model.h"

namespace qk::sniffer {

void set_threads_of_rank(const InferenceConfig& config, const parallel::Job& job) {
  if (config.threads) return at::set_num_threads(static_cast<int>(*config.threads));
  if (job.ranks_on_host() == 1) return;
  const auto cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  at::set_num_threads(
      std::clamp(cores / job.ranks_on_host(), 1, std::max(1, at::get_num_threads())));
}

namespace {

/// The GPUs of a host that this rank has of all that it sees.
std::vector<at::Device> share_of_rank(const std::vector<at::Device>& gpus,
                                      const parallel::Job& job) {
  const auto ranks = static_cast<size_t>(job.ranks_on_host());
  if (gpus.size() % ranks != 0) {
    throw ConfigError(
        "inference.parallel: heads: the {} ranks on {} can't share {} GPUs evenly. Start one rank "
        "per host, or as many as divide its GPUs; each has to see all of them",
        ranks, job.host(), gpus.size());
  }
  const auto count = static_cast<std::ptrdiff_t>(gpus.size() / ranks);
  const auto first = gpus.begin() + job.rank_on_host() * count;
  return {first, first + count};
}

}  // namespace

std::vector<at::Device> devices_of_rank(const SniffConfig& config, const parallel::Job& job) {
  const std::vector<at::Device> devices = choose_devices(config);
  const at::Device device = devices.front();
  const std::string wanted = config.model.device_map.value_or("auto");
  const bool named = wanted != "auto" && wanted != "cuda";
  if (device.is_cpu() || named || job.size() == 1) return devices;
  if (config.inference.parallel == Parallel::Heads) return share_of_rank(devices, job);
  const int count = std::max<int>(1, at::accelerator::deviceCount());
  return {{device.type(), static_cast<c10::DeviceIndex>(job.rank_on_host() % count)}};
}

Inputs open_inputs_of_job(const SniffConfig& config, const InputOptions& options,
                          parallel::Job& job) {
  if (job.rank() != 0) job.barrier();
  Inputs inputs = open_inputs(config, options);
  if (job.rank() == 0) job.barrier();
  return inputs;
}

void check_same_capture(const SniffConfig& config, const Inputs& inputs, const std::string& version,
                        parallel::Job& job) {
  if (job.size() == 1) return;
  saver::Identity mine = capture_identity(config, inputs);
  mine["sniff-qk"] = version + " " + sha256_of_file("/proc/self/exe");
  mine["output.data_root"] = config.output.data_root;
  mine["host"] = job.host();
  const std::vector<std::string> all = job.gather(nlohmann::json(mine).dump());
  for (size_t rank = 1; rank < all.size(); ++rank) {
    auto theirs = nlohmann::json::parse(all[rank]).get<saver::Identity>();
    const std::string host = std::exchange(theirs["host"], mine["host"]);
    if (theirs == mine) continue;
    throw ConfigError(
        "rank {} on {} was started for another capture than rank 0 on {}. Start all ranks with the "
        "same program, config and files. Different (rank 0, rank {}):{}",
        rank, host, mine["host"], rank, saver::differences(mine, theirs));
  }
}

}  // namespace qk::sniffer
