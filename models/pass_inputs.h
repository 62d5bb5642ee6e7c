#pragma once
/// What a part of a pass takes to its device before the first layer, in a few asynchronous copies.
#include <vector>

#include "kernels/attention.h"
#include "models/decoder.h"
#include "models/rope.h"
#include "models/tiles.h"

namespace qk::models {

struct PassInputs {
  kernels::Documents documents;  ///< where each document lies in the pass
  std::vector<RopeTable> ropes;  ///< [rows, dim / 2] by row, one per rope of the model
  at::Tensor query_factor;       ///< [rows], where the family scales queries by position
  at::Tensor embedding_scale;    ///< [], dtype of the weights, where the family has one
};

/// The tokens of a part's rows, [rows] int64; 0 beyond them. Throws CheckpointError for a token id
/// outside of the embedding.
at::Tensor make_ids(const DecoderSpec& spec, const PackedTokens& tokens, const PartRows& rows,
                    at::Device device);

/// Of a part's rows; ropes: of its device.
PassInputs make_inputs(const DecoderSpec& spec, RopeTables& ropes, const PackedTokens& tokens,
                       const PartRows& rows, const Precision& precision, at::Device device);

/// The same for some rows alone. index: int64 on the inputs' device.
PassInputs select_rows(const PassInputs& inputs, const at::Tensor& index);

}  // namespace qk::models
