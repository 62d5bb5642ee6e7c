#include "sniffer/pipeline_job.h"

#include <ATen/DeviceAccelerator.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
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

/// The GPUs of a host that this rank has of all that it sees; none where they can't be shared
/// evenly.
std::vector<at::Device> share_of_rank(const std::vector<at::Device>& gpus,
                                      const parallel::Job& job) {
  if (gpus.front().is_cpu()) return gpus;
  const auto ranks = static_cast<size_t>(job.ranks_on_host());
  if (gpus.size() % ranks != 0) return {};
  const auto count = static_cast<std::ptrdiff_t>(gpus.size() / ranks);
  const auto first = gpus.begin() + job.rank_on_host() * count;
  return {first, first + count};
}

at::Device device_of_rank(const std::vector<at::Device>& devices, const parallel::Job& job) {
  return devices[static_cast<size_t>(job.rank_on_host()) % devices.size()];
}

/// GPUs that a rank may take, as text for the others.
std::string room_of_rank(const SniffConfig& config, const parallel::Job& job) {
  const std::vector<at::Device> all = devices_of_host(config.model);
  std::vector<at::Device> mine = share_of_rank(all, job);
  if (mine.empty()) mine = {device_of_rank(all, job)};
  const int64_t usable = mine.front().is_cpu() ? 0 : usable_memory(config, mine);
  return nlohmann::json{{"gpus", mine.size()}, {"usable", usable}}.dump();
}

/// Of all ranks' rooms.
Parallel parallel_in_least(const std::vector<std::string>& rooms, const SniffConfig& config,
                           const Inputs& inputs) {
  auto gpus = std::numeric_limits<size_t>::max();
  auto usable = std::numeric_limits<int64_t>::max();
  for (const std::string& text : rooms) {
    const auto room = nlohmann::json::parse(text);
    gpus = std::min(gpus, room.at("gpus").get<size_t>());
    usable = std::min(usable, room.at("usable").get<int64_t>());
  }
  const std::vector<at::Device> devices(gpus, choose_device(config.model));
  return choose_parallel(config, inputs.model.spec, inputs.plan.wanted, devices, usable);
}

}  // namespace

Parallel parallel_on_host(const SniffConfig& config) {
  if (config.inference.parallel != Parallel::Auto) return config.inference.parallel;
  const std::vector<at::Device> devices = devices_of_host(config.model);
  if (devices.size() == 1 || config.inference.processes.value_or(1) > 1) return Parallel::Documents;
  const ModelOutline outline = outline_model(config);
  const auto choose = [&](const std::vector<at::Device>& seen) {
    return choose_parallel(config, outline.model.spec, outline.plan.wanted, devices,
                           usable_memory(config, seen));
  };
  const Parallel by_first = choose({devices.front()});  // to look at a GPU takes memory of it
  return by_first == Parallel::Documents ? by_first : choose(devices);
}

std::vector<std::string> devices_of_processes(const SniffConfig& config, Parallel parallel) {
  const std::vector<at::Device> devices = devices_of_host(config.model);
  const auto useful = std::min<int64_t>(std::ssize(devices),
                                        config.dataset.max_samples.value_or(std::ssize(devices)));
  const int64_t count = config.inference.processes.value_or(takes_all_gpus(parallel) ? 1 : useful);
  std::vector<std::string> used;
  for (int64_t i = 0; i < count; ++i)
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

Parallel agreed_parallel(const SniffConfig& config, std::optional<Parallel> known,
                         const Inputs& inputs, parallel::Job& job) {
  if (config.inference.parallel != Parallel::Auto) return config.inference.parallel;
  const auto text = [](Parallel parallel) { return std::to_string(static_cast<int>(parallel)); };
  std::string agreed = job.broadcast(known ? text(*known) : "");
  if (agreed.empty()) {
    const std::vector<std::string> rooms = job.gather(room_of_rank(config, job));
    agreed = job.broadcast(job.rank() == 0 ? text(parallel_in_least(rooms, config, inputs)) : "");
  }
  return static_cast<Parallel>(std::stoi(agreed));
}

std::vector<at::Device> devices_of_rank(const SniffConfig& config, const parallel::Job& job) {
  if (!takes_all_gpus(config.inference.parallel))
    return {device_of_rank(devices_of_host(config.model), job)};
  const std::vector<at::Device> all = choose_devices(config);
  const std::vector<at::Device> mine = share_of_rank(all, job);
  if (!mine.empty()) return mine;
  throw ConfigError(
      "inference.parallel: heads and layers: the {} ranks on {} can't share {} GPUs evenly. Start "
      "one rank per host, or as many as divide its GPUs; each has to see all of them",
      job.ranks_on_host(), job.host(), all.size());
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
