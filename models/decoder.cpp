#include "models/decoder.h"

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <deque>
#include <mutex>

#include "base/error.h"
#include "base/log.h"
#include "kernels/attention.h"
#include "models/head_exchange.h"
#include "models/loader.h"
#include "models/pass_part.h"
#include "models/tiles.h"

namespace qk::models {

using at::Tensor;

/// Devices that work on the same layers together; a pass goes from stage to stage.
struct Stage {
  std::unique_ptr<std::mutex> queued;  // by whoever queues a pass
  std::vector<DevicePart> devices;
  std::vector<size_t> layers;
  bool last = false;
};

struct Decoder::State {
  ModelDescription model;
  DecoderOptions options;
  std::deque<Stage> stages;
  std::vector<int64_t> tile_sizes;  // of GPUs, descending
};

namespace {

/// Small models need wide tiles to fill a GPU; those of large ones would only take memory.
int64_t largest_tile(const DecoderSpec& spec) { return spec.hidden <= 2048 ? 32768 : 8192; }

void check_heads(const DecoderSpec& spec, size_t parts) {
  if (can_share_heads(spec, parts)) return;
  std::vector<size_t> fitting;
  for (size_t count = 1; count <= static_cast<size_t>(spec.key_heads); ++count)
    if (can_share_heads(spec, count)) fitting.push_back(count);
  throw ConfigError(
      "inference.parallel: heads: the model has {} key heads, which {} GPUs can't share evenly; "
      "{} can. Show sniff-qk as many with CUDA_VISIBLE_DEVICES, or set inference.parallel: "
      "documents or layers",
      spec.key_heads, parts, fmt::join(fitting, ", "));
}

/// Sizes of tiles that give the same bits on every device.
std::vector<int64_t> tile_sizes(const std::vector<DecoderWeights>& weights, const DecoderSpec& spec,
                                const DecoderOptions& options) {
  std::vector<int64_t> sizes;
  for (size_t d = 0; d < weights.size(); ++d) {
    const at::Device device = options.devices[d];
    if (device.is_cpu()) return {};
    const auto tensors = at::TensorOptions(options.precision.products).device(device);
    const std::vector<int64_t> equal = equal_tile_sizes(
        weights[d].product_shapes, tensors, options.tile_rows.value_or(largest_tile(spec)));
    log::debug("{}: tiles of {} rows", device.str(), fmt::join(equal, ", "));
    if (sizes.empty()) sizes = equal;
    std::erase_if(sizes, [&](int64_t size) { return !std::ranges::count(equal, size); });
  }
  return sizes;
}

/// All devices on all layers, or each on its own.
std::deque<Stage> make_stages(std::vector<DecoderWeights> weights, const DecoderSpec& spec,
                              const DecoderOptions& options) {
  std::deque<Stage> stages;
  StageRows* before = nullptr;
  for (size_t d = 0; d < weights.size(); ++d) {
    const at::Device device = options.devices[d];
    if (d == 0 || options.split == Split::Layers)
      stages.push_back(
          {.queued = std::make_unique<std::mutex>(), .devices = {}, .layers = weights[d].numbers});
    DevicePart part{.device = device,
                    .weights = std::move(weights[d]),
                    .ropes = RopeTables(spec.ropes, options.precision.weights, device)};
    if (options.split == Split::Layers && weights.size() > 1) {
      part.carried =
          std::make_unique<StageRows>(device, spec.hidden, options.precision.stream(), before);
      before = part.carried.get();
    }
    stages.back().devices.push_back(std::move(part));
  }
  stages.back().last = true;
  return stages;
}

}  // namespace

/// One pass over packed documents, through the layers of a stage.
class Decoder::Pass {
 public:
  Pass(State& state, Stage& stage, const PackedTokens& tokens, AttentionTap& tap)
      : spec_(state.model.spec),
        options_(state.options),
        tap_(tap),
        stage_(stage),
        attention_rows_(kernels::attention_rows(tokens.offsets, stage.devices[0].device)),
        tile_sizes_(state.tile_sizes),
        parts_(make_parts(state, stage, tokens, attention_rows_)),
        exchange_(exchanged(parts_), std::max(tokens.offsets.back(), attention_rows_)),
        last_rows_(stage.last ? tap.rows_of_last_layer() : std::nullopt) {}

  void run() {
    const std::vector<size_t>& layers = stage_.layers;
    if (layers.size() == 1 && last_rows_) keep_last_rows();
    for (PassPart& part : parts_) part.begin(layers[0]);
    for (size_t n = 0; n < layers.size(); ++n) {
      const bool leaves = n + 1 == layers.size(), last = leaves && stage_.last;
      if (options_.before_rotary) show(layers[n]);
      if (options_.before_rotary && !last)
        for (PassPart& part : parts_) part.rotate();
      if (!options_.before_rotary) show(layers[n]);
      if (last) break;
      const bool narrows = last_rows_ && stage_.last && n + 2 == layers.size();
      std::vector<Tensor> attended = attend(layers[n], narrows);
      if (narrows) keep_last_rows();
      attended = exchange_.to_rows(std::move(attended));
      for (size_t p = 0; p < parts_.size(); ++p) {
        if (leaves)
          parts_[p].leave(std::move(attended[p]));
        else
          parts_[p].advance(layers[n + 1], std::move(attended[p]));
      }
    }
    for (PassPart& part : parts_) part.end();
  }

 private:
  static std::deque<PassPart> make_parts(State& state, Stage& stage, const PackedTokens& tokens,
                                         int64_t attention_rows) {
    const size_t count = stage.devices.size();
    const bool cpu = stage.devices[0].device.is_cpu();
    std::vector<PartRows> shares = cpu ? share_documents(tokens.offsets, count)
                                       : share_rows(tokens.offsets.back(), state.tile_sizes, count);
    std::deque<PassPart> parts;
    for (size_t p = 0; p < count; ++p) {
      parts.emplace_back(state.model.spec, state.options, stage.devices[p], tokens,
                         std::move(shares[p]), count == 1 ? attention_rows : 0);
    }
    return parts;
  }

  static std::vector<PartOfPass> exchanged(const std::deque<PassPart>& parts) {
    std::vector<PartOfPass> all;
    for (const PassPart& part : parts) all.push_back(part.exchanged());
    return all;
  }

  /// What the parts keep of their rows for the last layer.
  void keep_last_rows() {
    auto row = last_rows_->begin();
    for (PassPart& part : parts_) {
      const int64_t begin = row - last_rows_->begin(), first = part.rows().begin;
      std::vector<int64_t> rows;
      for (; row != last_rows_->end() && *row < first + part.rows().tokens; ++row)
        rows.push_back(*row - first);
      part.keep(rows, kept_rows(begin, std::ssize(rows)));
    }
    exchange_ = {exchanged(parts_), std::ssize(*last_rows_)};
  }

  /// `count` of the last layer's rows, from number `begin` on.
  PartRows kept_rows(int64_t begin, int64_t count) const {
    return {
        .begin = begin,
        .tokens = count,
        .tiles = tile_sizes_.empty() ? cut_documents({0, count}) : cut_rows(count, tile_sizes_)};
  }

  /// Each part with its heads, of all tokens or, where the pass narrows, of the last layer's rows.
  std::vector<Tensor> attend(size_t layer, bool narrows) {
    const std::vector<Projections>& projections = exchange_.to_heads();
    std::vector<Tensor> attended;
    for (size_t p = 0; p < parts_.size(); ++p) {
      const auto heads = [&](const Tensor& x) { return x.unflatten(1, {-1, spec_.head_dim}); };
      const auto& [all, q, k, v] = projections[p];
      const kernels::AttentionShape shape{spec_.score_scale, spec_.layers[layer].window};
      attended.push_back(narrows
                             ? kernels::causal_attention_of_rows(
                                   heads(q), heads(k), heads(v), parts_[p].documents(), shape,
                                   {*last_rows_, kept_rows(0, std::ssize(*last_rows_)).padded()})
                             : kernels::causal_attention(heads(q), heads(k), heads(v),
                                                         parts_[p].documents(), shape));
    }
    return attended;
  }

  void show(size_t layer) {
    const WantedLayer& wanted = options_.wanted[layer];
    for (const Kind kind : {Kind::Query, Kind::Key}) {
      if (!(kind == Kind::Query ? wanted.queries : wanted.keys)) continue;
      std::vector<Tensor> vectors;
      for (const PassPart& part : parts_) vectors.push_back(part.shown(kind));
      tap_.take(static_cast<int64_t>(layer), kind, vectors);
    }
  }

  const DecoderSpec& spec_;
  const DecoderOptions& options_;
  AttentionTap& tap_;
  const Stage& stage_;
  const int64_t attention_rows_;
  const std::vector<int64_t>& tile_sizes_;
  std::deque<PassPart> parts_;
  HeadExchange exchange_;
  const std::optional<std::vector<int32_t>> last_rows_;  // of the pass, that alone the tap sees
};

Decoder Decoder::load(const std::filesystem::path& folder, ModelDescription model,
                      DecoderOptions options) {
  const c10::InferenceMode inference;
  if (options.split == Split::Heads) check_heads(model.spec, options.devices.size());
  std::vector<DecoderWeights> weights = load_weights(folder, model, options);
  options.devices.resize(weights.size(), at::kCPU);  // fewer where there are fewer layers
  std::vector<int64_t> sizes = tile_sizes(weights, model.spec, options);
  auto stages = make_stages(std::move(weights), model.spec, options);
  return Decoder(std::unique_ptr<State>(
      new State{std::move(model), std::move(options), std::move(stages), std::move(sizes)}));
}

bool can_share_heads(const DecoderSpec& spec, size_t devices) {
  const auto count = static_cast<int64_t>(devices);
  return spec.key_heads % count == 0 && spec.query_heads % count == 0;
}

void Decoder::prefill(const PackedTokens& tokens, AttentionTap& tap) {
  if (tokens.offsets.back() == 0) return;
  const c10::InferenceMode inference;
  std::unique_lock<std::mutex> held;
  for (Stage& stage : state_->stages) {
    std::unique_lock next(*stage.queued);  // before the stage below is let go: none overtakes
    Pass pass(*state_, stage, tokens, tap);
    held = std::move(next);
    pass.run();
  }
}

const DecoderSpec& Decoder::spec() const { return state_->model.spec; }
const DecoderOptions& Decoder::options() const { return state_->options; }

PassMemory pass_memory(const DecoderSpec& spec, const DecoderOptions& options) {
  const Precision& precision = options.precision;
  const bool heads = options.split == Split::Heads, several = options.devices.size() > 1;
  const int64_t parts = heads ? std::ssize(options.devices) : 1;
  const auto element = static_cast<int64_t>(c10::elementSize(precision.products));
  const auto wide = static_cast<int64_t>(c10::elementSize(precision.stream()));
  const int64_t queries = spec.query_heads * spec.head_dim, keys = spec.key_heads * spec.head_dim;
  const int64_t ropes = static_cast<int64_t>(spec.ropes.size()) * spec.head_dim;
  const int64_t projections = queries + 2 * keys;
  // residual; queries, keys, values; attention's result, and once more while it is put in place
  const int64_t own = projections + 2 * queries;
  // by heads as well; attention's result by heads, received, and joined
  const int64_t exchanged = parts > 1 ? projections + queries : 0;
  const int64_t shown = precision.mixed() ? queries + keys : 0;
  // of two passes, with the next layer's input
  const int64_t residual = several && !heads ? 4 * spec.hidden : spec.hidden;
  const int64_t bytes = (own + exchanged) * element + (residual + ropes + shown) * wide + 32;
  return {.bytes_per_token = (bytes + parts - 1) / parts,
          .fixed_bytes = largest_tile(spec) * (4 * spec.hidden * wide + 3 * spec.mlp * element)};
}

Decoder::Decoder(std::unique_ptr<State> state) : state_(std::move(state)) {}
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;
Decoder::~Decoder() = default;

}  // namespace qk::models
