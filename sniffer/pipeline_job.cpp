#include "sniffer/pipeline_job.h"

#include <ATen/DeviceAccelerator.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/files.h"
#include "saver/run_file.h"
#include "sniffer/pipeline_model.h"

namespace qk::sniffer {
namespace {

/// One where the config names it, else all GPUs.
std::vector<at::Device> devices_of_host(const ModelConfig& config) {
  const at::Device device = choose_device(config);
  const std::string wanted = config.device_map.value_or("auto");
  if (device.is_cpu() || (wanted != "auto" && wanted != "cuda")) return {device};
  std::vector<at::Device> devices;
  for (int i = 0; i < std::max<int>(1, at::accelerator::deviceCount()); ++i)
    devices.emplace_back(device.type(), static_cast<c10::DeviceIndex>(i));
  return devices;
}

/// The GPUs of a host that this rank has of all that it sees.
std::vector<at::Device> share_of_rank(const std::vector<at::Device>& gpus,
                                      const parallel::Job& job) {
  if (gpus.front().is_cpu()) return gpus;
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

std::vector<std::string> devices_of_processes(const SniffConfig& config) {
  const std::vector<at::Device> devices = devices_of_host(config.model);
  const bool together = config.inference.parallel == Parallel::Heads;
  const auto useful = std::min<int64_t>(std::ssize(devices),
                                        config.dataset.max_samples.value_or(std::ssize(devices)));
  std::vector<std::string> used;
  for (int64_t i = 0; i < config.inference.processes.value_or(together ? 1 : useful); ++i)
    used.push_back(devices[static_cast<size_t>(i) % devices.size()].str());
  return used;
}

std::string describe_processes(const std::vector<std::string>& devices) {
  const size_t apart = std::set(devices.begin(), devices.end()).size();
  return fmt::format("{} processes{}", devices.size(),
                     apart == devices.size() ? ", one per GPU"
                     : apart == 1            ? " on " + devices[0]
                                             : fmt::format(" on {} GPUs", apart));
}

void check_launched(const InferenceConfig& config) {
  if (config.processes.value_or(1) > 1) {
    throw ConfigError(
        "inference.processes: mpirun and srun decide how many processes there are. Leave it out, "
        "or start sniff-qk without them");
  }
}

void set_threads_of_rank(const InferenceConfig& config, const parallel::Job& job) {
  if (config.threads) return at::set_num_threads(static_cast<int>(*config.threads));
  if (job.ranks_on_host() == 1) return;
  const int mine = std::max(1, at::get_num_threads());
  const auto cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  const int share = (job.shares_cores() ? mine : cores) / job.ranks_on_host();
  at::set_num_threads(std::clamp(share, 1, mine));
}

std::vector<at::Device> devices_of_rank(const SniffConfig& config, const parallel::Job& job) {
  if (config.inference.parallel == Parallel::Heads)
    return share_of_rank(choose_devices(config), job);
  const std::vector<at::Device> devices = devices_of_host(config.model);
  return {devices[static_cast<size_t>(job.rank_on_host()) % devices.size()]};
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
