#include "sniffer/plan.h"

#include <ATen/Parallel.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/error.h"
#include "sniffer/pipeline_job.h"
#include "sniffer/pipeline_model.h"
#include "sniffer/pipeline_setup.h"

namespace qk::sniffer {
namespace {

namespace fs = std::filesystem;

/// What exists of the way to data_root.
fs::path existing_part(const fs::path& folder) {
  fs::path part = fs::absolute(folder).lexically_normal();
  while (!fs::exists(part) && part.has_relative_path()) part = part.parent_path();
  return part;
}

DiskPlan plan_disk(const RunPlan& plan) {
  DiskPlan disk;
  disk.folder = existing_part(plan.config.output.data_root).string();
  for (size_t i = 0; i < plan.layout.groups.size(); ++i) {
    const saver::LayerHeads& group = plan.layout.groups[i];
    disk.files += static_cast<double>(group.heads.size()) *
                  plan.file_sizes.of_layer(group.layer).of(plan.rows.of_group[i]);
  }
  disk.spool = spool_bytes(plan.layout, plan.rows.of_group);
  disk.available = static_cast<double>(fs::space(disk.folder).available);
  return disk;
}

double pass_bytes(const RunPlan& plan, const models::DecoderOptions& options) {
  const int64_t longest = plan.config.tokenizer.max_length;
  if (plan.gpus > 0) {
    const models::PassMemory memory = models::pass_memory(plan.model.spec, options);
    return static_cast<double>(memory.fixed_bytes +
                               std::max(largest_pass(options), longest) * memory.bytes_per_token);
  }
  const int threads = at::get_num_threads();
  return activation_bytes(plan.model.spec, kPassTokensPerThread * threads + longest, threads,
                          options.precision.weights);
}

MemoryPlan plan_memory(const RunPlan& plan, const models::DecoderOptions& options) {
  const auto row_bytes =
      static_cast<double>(plan.layout.head_dim * saver::bytes_of(plan.layout.vector_type) + 12);
  return {.store = options.store,
          .weights = weight_bytes(plan.model.spec, options),
          .activations = pass_bytes(plan, options),
          .writer = std::min(static_cast<double>(memory_budget(plan.config.output)),
                             plan.rows.all * row_bytes),
          .host = static_cast<double>(::sysconf(_SC_PHYS_PAGES)) *
                  static_cast<double>(::sysconf(_SC_PAGESIZE))};
}

void count_heads(RunPlan& plan) {
  for (size_t i = 0; i < plan.layout.groups.size(); ++i) {
    const auto heads = static_cast<int64_t>(plan.layout.groups[i].heads.size());
    plan.heads += heads;
    if (plan.rows.of_group[i] >= 0.5) plan.files += heads;
  }
}

/// GPUs that share the work of a process, or have documents of their own.
double gpus_at_work(const RunPlan& plan) {
  const size_t apart = std::set(plan.devices.begin(), plan.devices.end()).size();
  return static_cast<double>(std::max<int64_t>(plan.gpus, static_cast<int64_t>(apart)));
}

/// Rows of a head that has about as many as the others.
double typical_rows(const RowCount& rows) {
  std::vector<double> sorted = rows.of_group;
  std::ranges::sort(sorted);
  return sorted[sorted.size() / 2];
}

}  // namespace

RunPlan make_plan(const SniffConfig& config, const PlanOptions& options) {
  if (config.inference.threads) at::set_num_threads(static_cast<int>(*config.inference.threads));
  const Inputs inputs = open_inputs(config, {.weights = false});
  SniffConfig decided = config;
  decided.inference.parallel = parallel_on_host(config);
  const std::vector<at::Device> devices = choose_devices(decided);
  const at::Device device = devices.front();
  const models::DecoderOptions model =
      lay_out(decided, inputs.model.spec, inputs.plan.wanted, devices,
              device.is_cpu() ? 0 : usable_memory(config, devices));
  RunPlan plan;
  plan.config = config;
  plan.model = inputs.model;
  plan.layout = inputs.plan.layout;
  plan.gpus = device.is_cpu() ? 0 : std::ssize(model.devices);
  plan.parallel = decided.inference.parallel;
  plan.model_layout = describe_layout(model);
  plan.devices = devices_of_processes(config, plan.parallel);
  plan.documents = count_documents(*inputs.reader, inputs.tokenizer, config.tokenizer.max_length,
                                   options.count_seconds);
  plan.rows = count_rows(config.capture, plan.layout, plan.documents);
  count_heads(plan);
  plan.file_sizes = measure_file_sizes(config, plan.model.spec, plan.layout, plan.documents,
                                       typical_rows(plan.rows), inputs.tokenizer);
  plan.disk = plan_disk(plan);
  plan.work = count_work(plan.model.spec, inputs.plan.wanted, plan.documents);
  plan.memory = plan_memory(plan, model);
  if (options.calibrate) {
    const auto tokens =
        static_cast<int64_t>(plan.documents.tokens / std::max(plan.documents.all, 1.0));
    plan.speed = measure_speed(plan.model.spec, model.precision.products, device, tokens);
    plan.seconds = plan.speed->seconds(plan.work) / gpus_at_work(plan);
  }
  return plan;
}

void refuse_what_cannot_fit(const RunPlan& plan) {
  const DiskPlan& disk = plan.disk;
  if (disk.needed() <= disk.available) return;
  throw OutputError(
      "output.data_root: about {} bytes are needed on the disk of {} ({} for the files, {} beside "
      "them until the run ends), {} are free. Keep fewer rows (capture.sampler.base_rate, "
      "capture.head_sampling, dataset.max_samples) or choose another disk",
      static_cast<int64_t>(disk.needed()), disk.folder, static_cast<int64_t>(disk.files),
      static_cast<int64_t>(disk.spool), static_cast<int64_t>(disk.available));
}

}  // namespace qk::sniffer
