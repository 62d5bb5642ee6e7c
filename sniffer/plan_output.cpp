#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/numbers.h"
#include "sniffer/config_fields.h"
#include "sniffer/pipeline_job.h"
#include "sniffer/plan.h"
#include "sniffer/progress.h"

namespace qk::sniffer {
namespace {

using Json = nlohmann::ordered_json;

std::string about(double value) { return short_number(value); }

/// Layers with something special about them.
struct LayerFacts {
  std::map<int64_t, std::vector<size_t>> sliding;  // by window
  std::vector<size_t> without_rope, cross_attention;
};

LayerFacts layer_facts(const models::DecoderSpec& spec) {
  LayerFacts facts;
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    const models::Layer& layer = spec.layers[i];
    if (!layer.attention) {
      facts.cross_attention.push_back(i);
      continue;
    }
    if (layer.window) facts.sliding[*layer.window].push_back(i);
    if (!layer.rope) facts.without_rope.push_back(i);
  }
  return facts;
}

class Text {
 public:
  void title(const std::string& text) { text_ += (text_.empty() ? "" : "\n") + text + "\n"; }
  void line(const std::string& label, const std::string& value) {
    text_ += fmt::format("  {:<14}{}\n", label, value);
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

void add_model(Text& text, const RunPlan& plan) {
  const models::DecoderSpec& spec = plan.model.spec;
  text.title(fmt::format("Model {} ({})", plan.config.model.name, plan.model.model_type));
  text.line("layers",
            fmt::format("{}, hidden {}, MLP {}", spec.layers.size(), spec.hidden, spec.mlp));
  text.line("heads", fmt::format("{} query, {} key heads of {} dimensions in each layer",
                                 spec.query_heads, spec.key_heads, spec.head_dim));
  const LayerFacts facts = layer_facts(spec);
  for (const auto& [window, layers] : facts.sliding)
    text.line("sliding", fmt::format("window of {} tokens in layers {}", window, ranges(layers)));
  if (facts.sliding.empty()) text.line("sliding", "none, full attention everywhere");
  if (!facts.without_rope.empty())
    text.line("without RoPE", "layers " + ranges(facts.without_rope));
  if (!facts.cross_attention.empty())
    text.line("not captured", "cross-attention layers " + ranges(facts.cross_attention));
}

void add_capture(Text& text, const RunPlan& plan) {
  int64_t heads[2] = {0, 0};
  for (const saver::LayerHeads& group : plan.layout.groups)
    heads[group.kind == 'k'] += static_cast<int64_t>(group.heads.size());
  text.title("Capture");
  text.line("heads", fmt::format("{} query and {} key heads", heads[0], heads[1]));
  for (const saver::LayerHeads& group : plan.layout.groups) {
    text.line(fmt::format("  layer {} {}", group.layer, group.kind),
              ranges(std::vector<size_t>{group.heads.begin(), group.heads.end()}));
  }
}

void add_dataset(Text& text, const RunPlan& plan) {
  const DocumentCount& d = plan.documents;
  text.title(
      fmt::format("Dataset {}, split {}", plan.config.dataset.path, plan.config.dataset.split));
  if (d.exact) {
    text.line("documents", fmt::format("{}, {} of them cut", about(d.all), about(d.truncated)));
    text.line("tokens", about(d.tokens));
    return;
  }
  text.line("documents", fmt::format("about {}, {} of them cut", about(d.all), about(d.truncated)));
  text.line("tokens",
            fmt::format("about {} +- {:.1f} % (95 %; {} documents from {} were counted; --exact "
                        "counts all)",
                        about(d.tokens), 100 * d.tokens_error / std::max(d.tokens, 1.0),
                        about(static_cast<double>(d.documents.size())),
                        d.spread ? "all over the dataset" : "its start"));
}

void add_rows(Text& text, const RunPlan& plan) {
  text.title(fmt::format("Rows ({})",
                         plan.rows.drawn ? "exactly those that the run will draw" : "expected"));
  text.line("all", fmt::format("{} in {} files", about(plan.rows.all), plan.files));
  double least = plan.rows.all, most = 0;
  for (const double rows : plan.rows.of_group) {
    least = std::min(least, rows);
    most = std::max(most, rows);
  }
  text.line("per head", fmt::format("{} to {}", about(least), about(most)));
  constexpr size_t kShown = 16;
  size_t shown = 0;
  for (const auto& [bucket, rows] : plan.rows.buckets) {
    if (shown++ == kShown) break;
    text.line(fmt::format("  bucket {}", bucket), about(rows));
  }
  if (const size_t all = plan.rows.buckets.size(); all > kShown)
    text.line(fmt::format("  and {} more", all - kShown), "--json lists them all");
}

void add_cost(Text& text, const RunPlan& plan) {
  text.title("Cost");
  text.line("disk", fmt::format("{} of files, and {} beside them until the run ends; {} free on {}",
                                readable_bytes(plan.disk.files), readable_bytes(plan.disk.spool),
                                readable_bytes(plan.disk.available), plan.disk.folder));
  const MemoryPlan& memory = plan.memory;
  const bool streamed = memory.store == models::WeightStore::Streamed;
  if (plan.devices.size() > 1)
    text.line("processes", fmt::format("{}; memory is what each of them takes",
                                       describe_processes(plan.devices)));
  if (!plan.model_layout.empty()) text.line("model", plan.model_layout);
  text.line(
      plan.gpus == 0   ? "memory"
      : plan.gpus == 1 ? "GPU memory"
                       : fmt::format("{} GPUs, each", plan.gpus),
      fmt::format(
          "about {}: weights {}{}, activations {}{}",
          readable_bytes(memory.weights + memory.activations + (plan.gpus > 0 ? 0 : memory.writer)),
          readable_bytes(memory.weights),
          streamed        ? " (streamed, of some layers at a time)"
          : plan.gpus > 0 ? ""
                          : " (mapped from the files)",
          readable_bytes(memory.activations),
          plan.gpus > 0 ? "" : fmt::format(", rows {}", readable_bytes(memory.writer))));
  if (plan.gpus > 0)
    text.line("memory", fmt::format("about {} for rows", readable_bytes(memory.writer)));
  text.line("operations", fmt::format("{:.3g} TFLOP, {} of {} layers", plan.work.flops() / 1e12,
                                      plan.work.layers, plan.model.spec.layers.size()));
  if (plan.seconds) {
    text.line("time", fmt::format("about {} of forward passes ({:.1f} GFLOP/s measured here)",
                                  short_time(*plan.seconds), plan.speed->products / 1e9));
  }
}

Json layers_json(const models::DecoderSpec& spec) {
  Json layers = Json::array();
  for (const models::Layer& layer : spec.layers) {
    Json window = nullptr;
    if (layer.window) window = *layer.window;
    layers.push_back({{"attention", layer.attention},
                      {"rope", layer.rope.has_value()},
                      {"sliding_window", window}});
  }
  return layers;
}

std::string name_of(Parallel parallel) {
  return std::string(std::ranges::find(kParallelNames, parallel, &EnumName<Parallel>::value)->name);
}

Json heads_json(const RunPlan& plan) {
  Json groups = Json::array();
  for (size_t i = 0; i < plan.layout.groups.size(); ++i) {
    const saver::LayerHeads& group = plan.layout.groups[i];
    groups.push_back(
        {{"layer", group.layer},
         {"kind", std::string(1, group.kind)},
         {"heads", group.heads},
         {"rows_per_head", plan.rows.of_group[i]},
         {"bytes_per_head", plan.file_sizes.of_layer(group.layer).of(plan.rows.of_group[i])}});
  }
  return groups;
}

}  // namespace

std::string plan_text(const RunPlan& plan) {
  Text text;
  add_model(text, plan);
  add_capture(text, plan);
  add_dataset(text, plan);
  add_rows(text, plan);
  add_cost(text, plan);
  return text.take();
}

Json plan_json(const RunPlan& plan) {
  const models::DecoderSpec& spec = plan.model.spec;
  Json buckets = Json::object(), time = nullptr;
  for (const auto& [bucket, rows] : plan.rows.buckets) buckets[std::to_string(bucket)] = rows;
  if (plan.seconds) {
    time = {{"forward_seconds", *plan.seconds},
            {"products_flops_per_second", plan.speed->products},
            {"attention_flops_per_second", plan.speed->attention}};
  }
  return {{"model",
           {{"name", plan.config.model.name},
            {"model_type", plan.model.model_type},
            {"hidden", spec.hidden},
            {"query_heads", spec.query_heads},
            {"key_heads", spec.key_heads},
            {"head_dim", spec.head_dim},
            {"layers", layers_json(spec)}}},
          {"heads", heads_json(plan)},
          {"documents",
           {{"all", plan.documents.all},
            {"counted", plan.documents.documents.size()},
            {"exact", plan.documents.exact},
            {"truncated", plan.documents.truncated},
            {"tokens", plan.documents.tokens},
            {"tokens_error_95", plan.documents.tokens_error}}},
          {"rows", {{"all", plan.rows.all}, {"drawn", plan.rows.drawn}, {"buckets", buckets}}},
          {"files", plan.files},
          {"disk",
           {{"folder", plan.disk.folder},
            {"files_bytes", plan.disk.files},
            {"spool_bytes", plan.disk.spool},
            {"available_bytes", plan.disk.available}}},
          {"memory",
           {{"device", plan.gpus > 0 ? "cuda" : "cpu"},
            {"weights_bytes", plan.memory.weights},
            {"activations_bytes", plan.memory.activations},
            {"writer_bytes", plan.memory.writer},
            {"host_bytes", plan.memory.host}}},
          {"processes", plan.devices},
          {"parallel", name_of(plan.parallel)},
          {"work",
           {{"layers", plan.work.layers},
            {"product_flops", plan.work.product_flops},
            {"attention_flops", plan.work.attention_flops}}},
          {"time", time}};
}

}  // namespace qk::sniffer
