#include "models/decoder.h"

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <deque>

#include "base/error.h"
#include "base/log.h"
#include "kernels/attention.h"
#include "models/head_exchange.h"
#include "models/loader.h"
#include "models/pass_part.h"
#include "models/tiles.h"

namespace qk::models {

using at::Tensor;

struct Decoder::State {
  ModelDescription model;
  DecoderOptions options;
  std::vector<DevicePart> devices;
  std::vector<int64_t> tile_sizes;  // of GPUs, descending
};

namespace {

/// Small models need wide tiles to fill a GPU; those of large ones would only take memory.
int64_t largest_tile(const DecoderSpec& spec) { return spec.hidden <= 2048 ? 32768 : 8192; }

std::vector<size_t> attention_layers(const DecoderSpec& spec, size_t count) {
  std::vector<size_t> layers;
  for (size_t i = 0; i < count; ++i)
    if (spec.layers[i].attention) layers.push_back(i);
  return layers;
}

void check_heads(const DecoderSpec& spec, size_t parts) {
  const auto divides = [&](int64_t count) {
    return spec.key_heads % count == 0 && spec.query_heads % count == 0;
  };
  if (divides(static_cast<int64_t>(parts))) return;
  std::vector<int64_t> fitting;
  for (int64_t count = 1; count <= spec.key_heads; ++count)
    if (divides(count)) fitting.push_back(count);
  throw ConfigError(
      "inference.parallel: heads: the model has {} key heads, which {} GPUs can't share evenly; "
      "{} can. Show sniff-qk as many with CUDA_VISIBLE_DEVICES, or set inference.parallel: "
      "documents",
      spec.key_heads, parts, fmt::join(fitting, ", "));
}

/// Sizes of tiles that give the same bits on every device.
std::vector<int64_t> tile_sizes(const std::vector<DevicePart>& devices, const DecoderSpec& spec,
                                const DecoderOptions& options) {
  std::vector<int64_t> sizes;
  for (const DevicePart& part : devices) {
    if (part.device.is_cpu()) return {};
    const auto tensors = at::TensorOptions(options.precision.products).device(part.device);
    const std::vector<int64_t> equal = equal_tile_sizes(
        part.weights.product_shapes, tensors, options.tile_rows.value_or(largest_tile(spec)));
    log::debug("{}: tiles of {} rows", part.device.str(), fmt::join(equal, ", "));
    if (sizes.empty()) sizes = equal;
    std::erase_if(sizes, [&](int64_t size) { return !std::ranges::count(equal, size); });
  }
  return sizes;
}

}  // namespace

/// One pass over packed documents.
class Decoder::Pass {
 public:
  Pass(State& state, const PackedTokens& tokens, AttentionTap& tap)
      : spec_(state.model.spec),
        options_(state.options),
        tap_(tap),
        layers_(attention_layers(spec_, state.devices[0].weights.layer_count)),
        attention_rows_(kernels::attention_rows(tokens.offsets, state.devices[0].device)),
        tile_sizes_(state.tile_sizes),
        parts_(make_parts(state, tokens, attention_rows_)),
        exchange_(exchanged(parts_), std::max(tokens.offsets.back(), attention_rows_)),
        last_rows_(tap.rows_of_last_layer()) {}

  void run() {
    if (layers_.size() == 1 && last_rows_) keep_last_rows();
    for (PassPart& part : parts_) part.begin(layers_[0]);
    for (size_t n = 0; n < layers_.size(); ++n) {
      const bool last = n + 1 == layers_.size();
      if (options_.before_rotary) show(layers_[n]);
      if (options_.before_rotary && !last)
        for (PassPart& part : parts_) part.rotate();
      if (!options_.before_rotary) show(layers_[n]);
      if (last) break;
      std::vector<Tensor> attended = attend(layers_[n], n + 2 == layers_.size());
      if (last_rows_ && n + 2 == layers_.size()) keep_last_rows();
      attended = exchange_.to_rows(std::move(attended));
      for (size_t p = 0; p < parts_.size(); ++p)
        parts_[p].advance(layers_[n + 1], std::move(attended[p]));
    }
    for (PassPart& part : parts_) part.end();
  }

 private:
  static std::deque<PassPart> make_parts(State& state, const PackedTokens& tokens,
                                         int64_t attention_rows) {
    const size_t count = state.devices.size();
    const bool cpu = state.devices[0].device.is_cpu();
    std::vector<PartRows> shares = cpu ? share_documents(tokens.offsets, count)
                                       : share_rows(tokens.offsets.back(), state.tile_sizes, count);
    std::deque<PassPart> parts;
    for (size_t p = 0; p < count; ++p) {
      parts.emplace_back(state.model.spec, state.options, state.devices[p], tokens,
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
      const auto count = std::ssize(rows);
      part.keep(rows, {.begin = begin,
                       .tokens = count,
                       .tiles = tile_sizes_.empty() ? cut_documents({0, count})
                                                    : cut_rows(count, tile_sizes_)});
    }
    exchange_ = {exchanged(parts_), std::ssize(*last_rows_)};
  }

  /// Each part with its heads, of all tokens or, before the last layer, of the rows that it needs.
  std::vector<Tensor> attend(size_t layer, bool before_last) {
    const std::vector<Projections>& projections = exchange_.to_heads();
    std::vector<Tensor> attended;
    for (size_t p = 0; p < parts_.size(); ++p) {
      const auto heads = [&](const Tensor& x) { return x.unflatten(1, {-1, spec_.head_dim}); };
      const auto& [all, q, k, v] = projections[p];
      const kernels::AttentionShape shape{spec_.score_scale, spec_.layers[layer].window};
      attended.push_back(before_last && last_rows_
                             ? kernels::causal_attention_of_rows(
                                   heads(q), heads(k), heads(v), parts_[p].documents(), shape,
                                   {*last_rows_, kept_rows(std::ssize(*last_rows_))})
                             : kernels::causal_attention(heads(q), heads(k), heads(v),
                                                         parts_[p].documents(), shape));
    }
    return attended;
  }

  /// Rows of a part that keeps `count`, with what fills the last tile.
  int64_t kept_rows(int64_t count) const {
    if (tile_sizes_.empty() || count == 0) return count;
    const Tile last = cut_rows(count, tile_sizes_).back();
    return last.begin + last.tokens;
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
  const std::vector<size_t> layers_;
  const int64_t attention_rows_;
  const std::vector<int64_t>& tile_sizes_;
  std::deque<PassPart> parts_;
  HeadExchange exchange_;
  const std::optional<std::vector<int32_t>> last_rows_;  // of the pass, that alone the tap sees
};

Decoder Decoder::load(const std::filesystem::path& folder, ModelDescription model,
                      DecoderOptions options) {
  const c10::InferenceMode inference;
  check_heads(model.spec, options.devices.size());
  std::vector<DevicePart> devices;
  for (const at::Device device : options.devices) {
    devices.push_back({.device = device,
                       .weights = load_weights(folder, model, options, device),
                       .ropes = RopeTables(model.spec.ropes, options.precision.weights, device)});
  }
  std::vector<int64_t> sizes = tile_sizes(devices, model.spec, options);
  return Decoder(std::unique_ptr<State>(
      new State{std::move(model), std::move(options), std::move(devices), std::move(sizes)}));
}

void Decoder::prefill(const PackedTokens& tokens, AttentionTap& tap) {
  if (tokens.offsets.back() == 0) return;
  const c10::InferenceMode inference;
  Pass(*state_, tokens, tap).run();
}

const DecoderSpec& Decoder::spec() const { return state_->model.spec; }
const Precision& Decoder::precision() const { return state_->options.precision; }
bool Decoder::streams_weights() const { return state_->options.streamed; }

const std::vector<at::Device>& Decoder::devices() const { return state_->options.devices; }

PassMemory pass_memory(const DecoderSpec& spec, const Precision& precision, int64_t parts) {
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
  const int64_t bytes = (own + exchanged) * element + (spec.hidden + ropes + shown) * wide + 32;
  return {.bytes_per_token = (bytes + parts - 1) / parts,
          .fixed_bytes = largest_tile(spec) * (4 * spec.hidden * wide + 3 * spec.mlp * element)};
}

Decoder::Decoder(std::unique_ptr<State> state) : state_(std::move(state)) {}
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;
Decoder::~Decoder() = default;

}  // namespace qk::models
