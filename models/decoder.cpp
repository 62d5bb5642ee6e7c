#include "models/decoder.h"

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/log.h"
#include "kernels/attention.h"
#include "kernels/linear.h"
#include "models/loader.h"
#include "models/pass_inputs.h"
#include "models/tiles.h"

namespace qk::models {

using at::Tensor;

struct Decoder::State {
  ModelDescription model;
  DecoderOptions options;
  DecoderWeights weights;
  RopeTables ropes;
  std::vector<int64_t> tile_sizes;  // of a GPU, descending
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

}  // namespace

/// One pass over packed documents. Names of shapes: rows of the pass N, of a tile T.
class Decoder::Pass {
 public:
  Pass(State& state, const PackedTokens& tokens, AttentionTap& tap)
      : spec_(state.model.spec),
        options_(state.options),
        weights_(state.weights),
        tap_(tap),
        tokens_(tokens.offsets.back()),
        tiles_(options_.device.is_cpu() ? cut_documents(tokens.offsets)
                                        : cut_rows(tokens_, state.tile_sizes)),
        inputs_(make_inputs(spec_, state.ropes, tokens, tiles_.back().begin + tiles_.back().tokens,
                            options_)) {
    const int64_t widths[] = {spec_.query_heads * spec_.head_dim, spec_.key_heads * spec_.head_dim,
                              spec_.key_heads * spec_.head_dim};
    const int64_t rows = inputs_.ids.size(0);
    residual_ = empty(rows, spec_.hidden, precision_.stream());
    qkv_ = empty(std::max(rows, attention_rows(tokens)), widths[0] + widths[1] + widths[2],
                 precision_.products);
    qkv_.slice(0, rows).zero_();
    const auto parts = qkv_.split_with_sizes({widths[0], widths[1], widths[2]}, 1);
    q_.product = parts[0], k_.product = parts[1], v_ = parts[2];
    q_.shown = precision_.mixed() ? empty(rows, widths[0], precision_.stream()) : q_.product;
    k_.shown = precision_.mixed() ? empty(rows, widths[1], precision_.stream()) : k_.product;
  }

  void run() {
    const std::vector<size_t> layers = attention_layers(spec_, weights_.layer_count);
    weights_.layers->begin_pass();
    const LayerTensors* w = &weights_.layers->use(layers[0]);
    for_each_tile(tiles_, options_.device, [&](const Tile& tile) {
      project(layers[0], *w, norm(embed(tile), (*w)[Role::AttentionNorm]), tile);
    });
    for (size_t n = 0; n < layers.size(); ++n) {
      const size_t i = layers[n];
      if (options_.before_rotary) show(i);
      const bool last = n + 1 == layers.size();
      if (options_.before_rotary && !last) rotate(i, *w);
      if (!options_.before_rotary) show(i);
      if (last) break;
      attended_ =
          kernels::causal_attention(heads(q_.product), heads(k_.product), heads(v_),
                                    inputs_.documents, {spec_.score_scale, spec_.layers[i].window});
      const LayerTensors& next = weights_.layers->use(layers[n + 1]);
      for_each_tile(tiles_, options_.device, [&](const Tile& tile) {
        project(layers[n + 1], next, finish(*w, next[Role::AttentionNorm], tile), tile);
      });
      attended_.reset();
      weights_.layers->release(i);
      w = &next;
    }
    weights_.layers->release(layers.back());
  }

 private:
  /// Queries or keys as their product gives them and attention takes them, and as the tap sees
  /// them: the same memory unless the precision is mixed.
  struct Vectors {
    Tensor product, shown;
  };

  Tensor empty(int64_t rows, int64_t width, at::ScalarType type) const {
    return at::empty({rows, width}, at::TensorOptions(type).device(options_.device));
  }

  int64_t attention_rows(const PackedTokens& tokens) const {
    return kernels::attention_rows(tokens.offsets, options_.device);
  }

  Tensor embed(const Tile& tile) {
    Tensor rows = at::embedding(weights_.embedding, part(inputs_.ids, tile)).to(precision_.weights);
    if (spec_.embedding_scale) rows = rows * inputs_.embedding_scale;
    part(residual_, tile).copy_(rows);
    return rows;
  }

  /// Queries, keys and values from the normed residual h, ready for attention (or for a tap before
  /// the rotary embedding); in the last layer only what is wanted of it.
  void project(size_t i, const LayerTensors& w, const Tensor& normed, const Tile& tile) {
    const Tensor h = normed.to(precision_.products);
    const auto product = [&](const Tensor& out, Role weight, Role bias) {
      if (w[weight].defined()) kernels::linear_out(part(out, tile), h, w[weight], w[bias]);
    };
    product(qkv_, Role::QkvProj, Role::QkvBias);
    product(q_.product, Role::QProj, Role::QBias);
    product(k_.product, Role::KProj, Role::KBias);
    product(v_, Role::VProj, Role::VBias);
    prepare_heads(i, w, tile, /*norms=*/true, /*rotation=*/!options_.before_rotary);
  }

  void rotate(size_t i, const LayerTensors& w) {
    for_each_tile(tiles_, options_.device, [&](const Tile& tile) {
      prepare_heads(i, w, tile, /*norms=*/false, /*rotation=*/true);
    });
  }

  /// Everything that happens to queries and keys between projection and attention.
  void prepare_heads(size_t i, const LayerTensors& w, const Tile& tile, bool norms, bool rotation) {
    const bool joined = w[Role::QkvProj].defined();
    kernels::HeadSteps steps{
        .norm_eps = spec_.norm_eps, .norm = spec_.norm, .layout = spec_.rotary_layout};
    if (rotation && spec_.layers[i].rope) {
      const RopeTable& table = inputs_.ropes[*spec_.layers[i].rope];
      steps.cos = part(table.cos, tile), steps.sin = part(table.sin, tile);
    }
    const auto prepare = [&](const Vectors& x, Role projection, Role norm_weight) {
      if (!joined && !w[projection].defined()) return;
      if (norms && precision_.mixed()) {
        widen(x, w[norm_weight], tile);
      } else if (norms) {
        steps.norm_weight = w[norm_weight];
      }
      kernels::norm_rotate_(heads(part(x.shown, tile)), steps);
      if (precision_.mixed()) part(x.product, tile).copy_(part(x.shown, tile));
    };
    prepare(k_, Role::KProj, Role::KNorm);
    if (rotation && inputs_.query_factor.defined()) steps.factor = part(inputs_.query_factor, tile);
    prepare(q_, Role::QProj, Role::QNorm);
  }

  /// The product as the tap sees it, normed where the family norms it.
  void widen(const Vectors& x, const Tensor& norm_weight, const Tile& tile) const {
    const Tensor product = heads(part(x.product, tile));
    heads(part(x.shown, tile)).copy_(norm_weight.defined() ? norm(product, norm_weight) : product);
  }

  void show(size_t i) {
    const auto layer = static_cast<int64_t>(i);
    const auto tokens = [&](const Tensor& x) { return heads(x.slice(0, 0, tokens_)); };
    if (options_.wanted[i].queries) tap_.take(layer, Kind::Query, tokens(q_.shown));
    if (options_.wanted[i].keys) tap_.take(layer, Kind::Key, tokens(k_.shown));
  }

  /// Output projection and MLP, both added to the residual. Returns the next layer's input.
  Tensor finish(const LayerTensors& w, const Tensor& next_norm, const Tile& tile) {
    const Tensor residual = part(residual_, tile);
    const Tensor h =
        add_and_norm(residual, linear(part(attended_, tile), w[Role::OProj], w[Role::OBias]),
                     w[Role::AttentionOutputNorm], w[Role::MlpNorm]);
    return add_and_norm(residual, mlp(h, w), w[Role::MlpOutputNorm], next_norm);
  }

  Tensor mlp(const Tensor& normed, const LayerTensors& w) const {
    const Tensor h = normed.to(precision_.products);
    Tensor gate, up;
    if (w[Role::GateUpProj].defined()) {
      const Tensor both = linear(h, w[Role::GateUpProj], {});
      gate = both.narrow(1, 0, spec_.mlp);
      up = both.narrow(1, spec_.mlp, spec_.mlp);
    } else {
      gate = linear(h, w[Role::GateProj], w[Role::GateBias]);
      up = linear(h, w[Role::UpProj], w[Role::UpBias]);
    }
    return linear(kernels::gated_activation_(gate, up, spec_.activation), w[Role::DownProj],
                  w[Role::DownBias]);
  }

  /// residual += branch (normed where the family norms it); returns the residual's norm.
  Tensor add_and_norm(const Tensor& residual, const Tensor& branch, const Tensor& branch_norm,
                      const Tensor& weight) const {
    return kernels::add_rms_norm(residual,
                                 branch_norm.defined() ? norm(branch, branch_norm) : branch, weight,
                                 spec_.norm_eps, spec_.norm);
  }

  Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) const {
    Tensor out = at::empty({x.size(0), weight.size(0)}, x.options());
    kernels::linear_out(out, x, weight, bias);
    return out;
  }

  Tensor norm(const Tensor& x, const Tensor& weight) const {
    return kernels::rms_norm(x, weight, spec_.norm_eps, spec_.norm);
  }

  Tensor heads(const Tensor& x) const { return x.unflatten(1, {-1, spec_.head_dim}); }
  static Tensor part(const Tensor& x, const Tile& tile) {
    return x.narrow(0, tile.begin, tile.tokens);
  }

  const DecoderSpec& spec_;
  const DecoderOptions& options_;
  const Precision& precision_ = options_.precision;
  const DecoderWeights& weights_;
  AttentionTap& tap_;
  const int64_t tokens_;  // of the documents; rows beyond them fill the last tile
  const std::vector<Tile> tiles_;
  const PassInputs inputs_;
  Tensor residual_;  // [N, hidden]
  Tensor qkv_;       // [N or more, heads * head_dim]: products of queries, keys and values
  Vectors q_, k_;    // [N or more, heads * head_dim]
  Tensor v_;         // [N or more, key_heads * head_dim]
  Tensor attended_;  // [N or more, query_heads * head_dim]
};

Decoder Decoder::load(const std::filesystem::path& folder, ModelDescription model,
                      DecoderOptions options) {
  const c10::InferenceMode inference;
  DecoderWeights weights = load_weights(folder, model, options);
  RopeTables ropes(model.spec.ropes, options.precision.weights, options.device);
  std::vector<int64_t> tile_sizes;
  if (!options.device.is_cpu()) {
    tile_sizes =
        equal_tile_sizes(weights.product_shapes,
                         at::TensorOptions(options.precision.products).device(options.device),
                         options.tile_rows.value_or(largest_tile(model.spec)));
    log::debug("device: tiles of {} rows", fmt::join(tile_sizes, ", "));
  }
  return Decoder(
      std::unique_ptr<State>(new State{std::move(model), std::move(options), std::move(weights),
                                       std::move(ropes), std::move(tile_sizes)}));
}

void Decoder::prefill(const PackedTokens& tokens, AttentionTap& tap) {
  if (tokens.offsets.back() == 0) return;
  const c10::InferenceMode inference;
  Pass(*state_, tokens, tap).run();
}

const DecoderSpec& Decoder::spec() const { return state_->model.spec; }
const Precision& Decoder::precision() const { return state_->options.precision; }
bool Decoder::streams_weights() const { return state_->options.streamed; }

PassMemory pass_memory(const DecoderSpec& spec, const Precision& precision) {
  const auto element = static_cast<int64_t>(c10::elementSize(precision.products));
  const auto wide = static_cast<int64_t>(c10::elementSize(precision.stream()));
  const int64_t queries = spec.query_heads * spec.head_dim, keys = spec.key_heads * spec.head_dim;
  const int64_t ropes = static_cast<int64_t>(spec.ropes.size()) * spec.head_dim;
  // residual; queries, keys, values; attention's result, and once more while it is put in place
  const int64_t per_token = (queries + 2 * keys) + 2 * queries;
  const int64_t shown = precision.mixed() ? queries + keys : 0;
  return {.bytes_per_token = per_token * element + (spec.hidden + ropes + shown) * wide + 32,
          .fixed_bytes = largest_tile(spec) * (4 * spec.hidden * wide + 3 * spec.mlp * element)};
}

Decoder::Decoder(std::unique_ptr<State> state) : state_(std::move(state)) {}
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;
Decoder::~Decoder() = default;

}  // namespace qk::models
