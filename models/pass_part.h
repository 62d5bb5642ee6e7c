#pragma once
/// A device's part of a pass: some rows, through everything but attention, in all layers or in some
/// consecutive ones.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/rotary.h"
#include "models/attention_tap.h"
#include "models/decoder_options.h"
#include "models/head_exchange.h"
#include "models/loader.h"
#include "models/pass_inputs.h"
#include "models/rope.h"
#include "models/stage_rows.h"
#include "models/tiles.h"

namespace qk::models {

/// What a device keeps from pass to pass.
struct DevicePart {
  at::Device device;
  DecoderWeights weights;
  RopeTables ropes;
  std::unique_ptr<StageRows> carried = {};  ///< where several devices have layers of their own
};

/// Names of shapes: rows of the part N (its tokens, and what fills the last tile), of a tile T.
class PassPart {
 public:
  /// rows: this part's of the pass. attention_rows: that the projections must have at least.
  PassPart(const DecoderSpec& spec, const DecoderOptions& options, DevicePart& device,
           const PackedTokens& tokens, PartRows rows, int64_t attention_rows);

  /// Embeds the tokens, or takes the pass over from the device before; and projects for the first
  /// layer of this one.
  void begin(size_t layer);
  /// After a tap that sees queries and keys before the rotary embedding.
  void rotate();
  /// From this layer's attention to the projections of `layer`, the next one that attends.
  /// attended: [N or more, query_heads * head_dim].
  void advance(size_t layer, at::Tensor attended);
  /// From the last layer's attention to where the next device takes over.
  void leave(at::Tensor attended);
  /// From now on only these rows, by their number in the part; kept: where they are among those of
  /// all parts.
  void keep(const std::vector<int64_t>& rows, PartRows kept);
  /// After the last layer.
  void end();

  PartOfPass exchanged() const { return {rows_.begin, rows_.tokens, projections_}; }
  const PartRows& rows() const { return rows_; }
  const kernels::Documents& documents() const { return inputs_.documents; }

  /// As the tap sees them: [tokens of the part, heads, head_dim].
  at::Tensor shown(Kind kind) const;

 private:
  /// Queries or keys as their product gives them and attention takes them, and as the tap sees
  /// them: the same memory unless the precision is mixed.
  struct Vectors {
    at::Tensor product, shown;
  };

  void make_projections(int64_t rows);
  at::Tensor empty(int64_t rows, int64_t width, at::ScalarType type) const;
  at::Tensor embed(const Tile& tile);
  void project(const at::Tensor& normed, const Tile& tile);
  void prepare_heads(const Tile& tile, bool norms, bool rotation);
  void widen(const Vectors& x, const at::Tensor& norm_weight, const Tile& tile) const;
  at::Tensor finish(const LayerTensors& w, const at::Tensor& attended, const at::Tensor& next_norm,
                    const Tile& tile);
  at::Tensor mlp(const at::Tensor& normed, const LayerTensors& w) const;
  at::Tensor add_and_norm(const at::Tensor& residual, const at::Tensor& branch,
                          const at::Tensor& branch_norm, const at::Tensor& weight) const;
  at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) const;
  at::Tensor norm(const at::Tensor& x, const at::Tensor& weight) const;
  at::Tensor heads(const at::Tensor& x) const { return x.unflatten(1, {-1, spec_.head_dim}); }

  const DecoderSpec& spec_;
  const DecoderOptions& options_;
  const Precision& precision_ = options_.precision;
  const DevicePart& device_;
  PartRows rows_;
  at::Tensor ids_;  // [N], on the device that has the embedding
  PassInputs inputs_;
  const at::Tensor carried_;         // [2, N, hidden], where several devices have layers
  at::Tensor residual_;              // [N, hidden]
  Projections projections_;          // [N or more, ...]
  Vectors q_, k_;                    // [N or more, heads * head_dim]
  size_t layer_ = 0;                 // whose projections these are,
  const LayerTensors* w_ = nullptr;  // and its weights
};

}  // namespace qk::models
