#include "models/decoder.h"

#include <ATen/ATen.h>

#include "base/error.h"
#include "kernels/attention.h"
#include "kernels/linear.h"
#include "models/loader.h"
#include "models/tiles.h"

namespace qk::models {

using at::Tensor;

struct Decoder::State {
  ModelDescription model;
  DecoderOptions options;
  DecoderWeights weights;
  RopeTables ropes;
};

/// One pass over packed documents. Names of shapes: tokens of the pass N, of a tile T.
class Decoder::Pass {
 public:
  Pass(State& state, const PackedTokens& tokens, AttentionTap& tap)
      : spec_(state.model.spec),
        options_(state.options),
        weights_(state.weights),
        ropes_(state.ropes),
        tap_(tap),
        offsets_(tokens.offsets),
        tiles_(cut_tiles(tokens.offsets)) {
    const int64_t count = offsets_.back();
    const auto rows = [&](int64_t width) {
      return at::empty({count, width}, at::TensorOptions(options_.dtype).device(options_.device));
    };
    residual_ = rows(spec_.hidden);
    q_ = rows(spec_.query_heads * spec_.head_dim);
    k_ = rows(spec_.key_heads * spec_.head_dim);
    v_ = rows(spec_.key_heads * spec_.head_dim);
    attended_.resize(offsets_.size() - 1);
    if (spec_.query_temperature) temperature_ = temperatures();
    embed(tokens.ids);
  }

  void run() {
    for (size_t i = 0; i < weights_.layers.size(); ++i) {
      if (!spec_.layers[i].attention) continue;
      const bool last = i + 1 == weights_.layers.size();
      project(i, last);
      if (options_.before_rotary) show(i);
      if (!options_.before_rotary || !last) rotate(i);
      if (!options_.before_rotary) show(i);
      if (last) return;
      attend(i);
      finish(i);
    }
  }

 private:
  void embed(const std::vector<int32_t>& ids) {
    Tensor index = at::tensor(ids, at::kLong);
    if (spec_.token_read_as_0) index.masked_fill_(index == *spec_.token_read_as_0, 0);
    const bool inside = index.numel() == 0 || (index.min().item<int64_t>() >= 0 &&
                                               index.max().item<int64_t>() < spec_.vocab);
    if (!inside) {
      throw CheckpointError(
          "token id {} is outside of the model's embedding ({} rows): tokenizer and model don't "
          "belong together",
          index.max().item<int64_t>(), spec_.vocab);
    }
    index = index.to(options_.device);
    const Tensor scale =
        at::scalar_tensor(spec_.embedding_scale.value_or(1.0), residual_.options());
    for_each_tile(tiles_, options_.device, [&](const Tile& tile) {
      Tensor rows = at::embedding(weights_.embedding, index.narrow(0, tile.begin, tile.tokens))
                        .to(options_.dtype);
      if (spec_.embedding_scale) rows = rows * scale;
      part(residual_, tile).copy_(rows);
    });
  }

  /// Queries, keys and values before the rotary embedding; in the last layer only what is wanted of
  /// it.
  void project(size_t i, bool last) {
    const LayerTensors& w = weights_.layers[i];
    for_each_tile(tiles_, options_.device, [&](const Tile& tile) {
      const Tensor h = norm(part(residual_, tile), w[Role::AttentionNorm]);
      const auto head_vectors = [&](Tensor out, Role weight, Role bias, Role norm_weight) {
        if (!w[weight].defined()) return;
        kernels::linear_out(out, h, w[weight], w[bias]);
        Tensor vectors = heads(out);
        if (w[norm_weight].defined()) vectors.copy_(norm(vectors, w[norm_weight]));
      };
      head_vectors(part(q_, tile), Role::QProj, Role::QBias, Role::QNorm);
      head_vectors(part(k_, tile), Role::KProj, Role::KBias, Role::KNorm);
      if (!last) kernels::linear_out(part(v_, tile), h, w[Role::VProj], w[Role::VBias]);
    });
  }

  /// Everything that happens to queries and keys between projection and attention.
  void rotate(size_t i) {
    const Layer& layer = spec_.layers[i];
    const LayerTensors& w = weights_.layers[i];
    if (!layer.rope && !spec_.query_temperature) return;
    std::vector<RopeTable> tables(attended_.size());
    for (size_t d = 0; d < tables.size() && layer.rope; ++d)
      tables[d] = ropes_.at(*layer.rope, length(d));
    for_each_tile(tiles_, options_.device, [&](const Tile& tile) {
      Tensor q = heads(part(q_, tile)), k = heads(part(k_, tile));
      if (layer.rope) {
        const RopeTable& table = tables[tile.document];
        const Tensor cos = part_of_document(table.cos, tile);
        const Tensor sin = part_of_document(table.sin, tile);
        if (w[Role::QProj].defined()) kernels::rotate_(q, cos, sin, spec_.rotary_layout);
        if (w[Role::KProj].defined()) kernels::rotate_(k, cos, sin, spec_.rotary_layout);
      }
      if (spec_.query_temperature) q.mul_(part_of_document(temperature_, tile));
    });
  }

  void show(size_t i) {
    const auto layer = static_cast<int64_t>(i);
    if (options_.wanted[i].queries) tap_.take(layer, Kind::Query, heads(q_));
    if (options_.wanted[i].keys) tap_.take(layer, Kind::Key, heads(k_));
  }

  void attend(size_t i) {
    for (size_t d = 0; d < attended_.size(); ++d) {
      if (length(d) == 0) continue;
      const auto document = [&](const Tensor& x) {
        return heads(x.narrow(0, offsets_[d], length(d)));
      };
      attended_[d] = kernels::causal_attention(document(q_), document(k_), document(v_),
                                               spec_.score_scale, spec_.layers[i].window);
    }
  }

  /// Output projection and MLP, both added to the residual.
  void finish(size_t i) {
    const LayerTensors& w = weights_.layers[i];
    for_each_tile(tiles_, options_.device, [&](const Tile& tile) {
      Tensor residual = part(residual_, tile);
      const Tensor attended = attended_[tile.document].narrow(0, tile.position, tile.tokens);
      add(residual, linear(attended, w[Role::OProj], w[Role::OBias]), w[Role::AttentionOutputNorm]);
      add(residual, mlp(norm(residual, w[Role::MlpNorm]), w), w[Role::MlpOutputNorm]);
    });
  }

  Tensor mlp(const Tensor& h, const LayerTensors& w) const {
    Tensor gate, up;
    if (spec_.separate_gate_up) {
      gate = linear(h, w[Role::GateProj], w[Role::GateBias]);
      up = linear(h, w[Role::UpProj], w[Role::UpBias]);
    } else {
      const Tensor both = linear(h, w[Role::GateUpProj], {});
      gate = both.narrow(1, 0, spec_.mlp).contiguous();
      up = both.narrow(1, spec_.mlp, spec_.mlp);
    }
    return linear(kernels::gated_activation_(gate, up, spec_.activation), w[Role::DownProj],
                  w[Role::DownBias]);
  }

  void add(Tensor& residual, const Tensor& branch, const Tensor& norm_weight) const {
    residual.add_(norm_weight.defined() ? norm(branch, norm_weight) : branch);
  }

  Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) const {
    Tensor out = at::empty({x.size(0), weight.size(0)}, x.options());
    kernels::linear_out(out, x, weight, bias);
    return out;
  }

  Tensor norm(const Tensor& x, const Tensor& weight) const {
    return kernels::rms_norm(x, weight, spec_.norm_eps, spec_.norm);
  }

  /// The factor of queries by position, [longest document, 1, 1], rounded to the model dtype.
  Tensor temperatures() const {
    int64_t longest = 0;
    for (size_t d = 0; d < attended_.size(); ++d) longest = std::max(longest, length(d));
    const QueryTemperature& t = *spec_.query_temperature;
    const Tensor steps =
        at::arange(longest, at::kLong).div(t.original_max_positions).floor_().add_(1);
    const Tensor scale = on_this_thread(steps, at::log_out).mul_(t.beta).add_(1);
    return scale.to(options_.dtype).to(options_.device).view({-1, 1, 1});
  }

  int64_t length(size_t document) const { return offsets_[document + 1] - offsets_[document]; }
  Tensor heads(const Tensor& x) const { return x.view({x.size(0), -1, spec_.head_dim}); }
  static Tensor part_of_document(const Tensor& x, const Tile& tile) {
    return x.narrow(0, tile.position, tile.tokens);
  }
  static Tensor part(const Tensor& x, const Tile& tile) {
    return x.narrow(0, tile.begin, tile.tokens);
  }

  const DecoderSpec& spec_;
  const DecoderOptions& options_;
  const DecoderWeights& weights_;
  RopeTables& ropes_;
  AttentionTap& tap_;
  const std::vector<int64_t>& offsets_;
  const std::vector<Tile> tiles_;
  Tensor residual_;               // [N, hidden]
  Tensor q_, k_, v_;              // [N, heads * head_dim]
  Tensor temperature_;            // by position, where the family has one
  std::vector<Tensor> attended_;  // per document [tokens, query_heads * head_dim]
};

Decoder Decoder::load(const std::filesystem::path& folder, ModelDescription model,
                      DecoderOptions options) {
  const c10::InferenceMode inference;
  DecoderWeights weights =
      load_weights(folder, model, options.wanted, options.dtype, options.device);
  RopeTables ropes(model.spec.ropes, options.dtype, options.device);
  return Decoder(std::unique_ptr<State>(
      new State{std::move(model), std::move(options), std::move(weights), std::move(ropes)}));
}

void Decoder::prefill(const PackedTokens& tokens, AttentionTap& tap) {
  if (tokens.offsets.back() == 0) return;
  const c10::InferenceMode inference;
  Pass(*state_, tokens, tap).run();
}

Decoder::Decoder(std::unique_ptr<State> state) : state_(std::move(state)) {}
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;
Decoder::~Decoder() = default;

}  // namespace qk::models
