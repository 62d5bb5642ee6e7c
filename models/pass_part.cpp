#include "models/pass_part.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "kernels/linear.h"
#include "kernels/upload.h"

namespace qk::models {

using at::Tensor;

namespace {

/// x's rows of a tile.
Tensor part(const Tensor& x, const Tile& tile) { return x.narrow(0, tile.begin, tile.tokens); }

}  // namespace

PassPart::PassPart(const DecoderSpec& spec, const DecoderOptions& options, DevicePart& device,
                   const PackedTokens& tokens, PartRows rows, int64_t attention_rows)
    : spec_(spec),
      options_(options),
      device_(device),
      rows_(std::move(rows)),
      ids_(device.weights.embedding.defined() ? make_ids(spec, tokens, rows_, device.device)
                                              : Tensor()),
      inputs_(make_inputs(spec, device.ropes, tokens, rows_, options.precision, device.device)),
      carried_(device.carried ? device.carried->begin_pass(rows_.padded()) : Tensor()),
      residual_(carried_.defined() ? carried_[0]
                                   : empty(rows_.padded(), spec.hidden, precision_.stream())) {
  make_projections(std::max(rows_.padded(), attention_rows));
}

/// rows: at least N.
void PassPart::make_projections(int64_t rows) {
  projections_ = {rows, spec_.query_heads * spec_.head_dim, spec_.key_heads * spec_.head_dim,
                  at::TensorOptions(precision_.products).device(device_.device)};
  projections_.all.slice(0, rows_.padded()).zero_();
  q_ = {projections_.q, projections_.q}, k_ = {projections_.k, projections_.k};
  if (!precision_.mixed()) return;
  q_.shown = empty(rows_.padded(), q_.product.size(1), precision_.stream());
  k_.shown = empty(rows_.padded(), k_.product.size(1), precision_.stream());
}

void PassPart::begin(size_t layer) {
  device_.weights.layers->begin_pass();
  layer_ = layer;
  w_ = &device_.weights.layers->use(layer);
  for_each_tile(rows_.tiles, device_.device, [&](const Tile& tile) {
    project(
        ids_.defined() ? norm(embed(tile), (*w_)[Role::AttentionNorm]) : part(carried_[1], tile),
        tile);
  });
}

void PassPart::rotate() {
  for_each_tile(rows_.tiles, device_.device,
                [&](const Tile& tile) { prepare_heads(tile, /*norms=*/false, /*rotation=*/true); });
}

void PassPart::advance(size_t layer, Tensor attended) {
  const LayerTensors& done = *w_;
  const size_t released = std::exchange(layer_, layer);
  w_ = &device_.weights.layers->use(layer);
  for_each_tile(rows_.tiles, device_.device, [&](const Tile& tile) {
    project(finish(done, attended, (*w_)[Role::AttentionNorm], tile), tile);
  });
  attended.reset();
  device_.weights.layers->release(released);
}

void PassPart::keep(const std::vector<int64_t>& rows, PartRows kept) {
  rows_ = std::move(kept);
  std::vector<int64_t> padded = rows;
  padded.resize(static_cast<size_t>(rows_.padded()));
  const Tensor index = kernels::upload(padded, device_.device);
  if (ids_.defined()) ids_ = ids_.index_select(0, index);
  inputs_ = select_rows(inputs_, index);
  residual_ = residual_.index_select(0, index);
  make_projections(rows_.padded());
}

void PassPart::leave(Tensor attended) {
  for_each_tile(rows_.tiles, device_.device, [&](const Tile& tile) {
    part(carried_[1], tile).copy_(finish(*w_, attended, device_.weights.next_norm, tile));
  });
}

void PassPart::end() {
  device_.weights.layers->release(layer_);
  if (device_.carried) device_.carried->end_pass();
}

Tensor PassPart::shown(Kind kind) const {
  const Tensor& x = kind == Kind::Query ? q_.shown : k_.shown;
  return heads(x.slice(0, 0, rows_.tokens));
}

Tensor PassPart::empty(int64_t rows, int64_t width, at::ScalarType type) const {
  return at::empty({rows, width}, at::TensorOptions(type).device(device_.device));
}

Tensor PassPart::embed(const Tile& tile) {
  Tensor rows = at::embedding(device_.weights.embedding, part(ids_, tile)).to(precision_.weights);
  if (spec_.embedding_scale) rows = rows * inputs_.embedding_scale;
  part(residual_, tile).copy_(rows);
  return rows;
}

/// Queries, keys and values from the normed residual h, ready for attention (or for a tap before
/// the rotary embedding); in the last layer only what is wanted of it.
void PassPart::project(const Tensor& normed, const Tile& tile) {
  const LayerTensors& w = *w_;
  const Tensor h = normed.to(precision_.products);
  const auto product = [&](const Tensor& out, Role weight, Role bias) {
    if (w[weight].defined()) kernels::linear_out(part(out, tile), h, w[weight], w[bias]);
  };
  product(projections_.all, Role::QkvProj, Role::QkvBias);
  product(q_.product, Role::QProj, Role::QBias);
  product(k_.product, Role::KProj, Role::KBias);
  product(projections_.v, Role::VProj, Role::VBias);
  prepare_heads(tile, /*norms=*/true, /*rotation=*/!options_.before_rotary);
}

/// Everything that happens to queries and keys between projection and attention.
void PassPart::prepare_heads(const Tile& tile, bool norms, bool rotation) {
  const LayerTensors& w = *w_;
  const bool joined = w[Role::QkvProj].defined();
  kernels::HeadSteps steps{
      .norm_eps = spec_.norm_eps, .norm = spec_.norm, .layout = spec_.rotary_layout};
  if (rotation && spec_.layers[layer_].rope) {
    const RopeTable& table = inputs_.ropes[*spec_.layers[layer_].rope];
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
void PassPart::widen(const Vectors& x, const Tensor& norm_weight, const Tile& tile) const {
  const Tensor product = heads(part(x.product, tile));
  heads(part(x.shown, tile)).copy_(norm_weight.defined() ? norm(product, norm_weight) : product);
}

/// Output projection and MLP, both added to the residual. Returns the next layer's input.
Tensor PassPart::finish(const LayerTensors& w, const Tensor& attended, const Tensor& next_norm,
                        const Tile& tile) {
  const Tensor residual = part(residual_, tile);
  const Tensor h =
      add_and_norm(residual, linear(part(attended, tile), w[Role::OProj], w[Role::OBias]),
                   w[Role::AttentionOutputNorm], w[Role::MlpNorm]);
  return add_and_norm(residual, mlp(h, w), w[Role::MlpOutputNorm], next_norm);
}

Tensor PassPart::mlp(const Tensor& normed, const LayerTensors& w) const {
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
Tensor PassPart::add_and_norm(const Tensor& residual, const Tensor& branch,
                              const Tensor& branch_norm, const Tensor& weight) const {
  return kernels::add_rms_norm(residual, branch_norm.defined() ? norm(branch, branch_norm) : branch,
                               weight, spec_.norm_eps, spec_.norm);
}

Tensor PassPart::linear(const Tensor& x, const Tensor& weight, const Tensor& bias) const {
  Tensor out = at::empty({x.size(0), weight.size(0)}, x.options());
  kernels::linear_out(out, x, weight, bias);
  return out;
}

Tensor PassPart::norm(const Tensor& x, const Tensor& weight) const {
  return kernels::rms_norm(x, weight, spec_.norm_eps, spec_.norm);
}

}  // namespace qk::models
