#pragma once
/// What a pass takes to the device before its first layer, in a few asynchronous copies.
#include <vector>

#include "kernels/attention.h"
#include "models/decoder.h"
#include "models/rope.h"

namespace qk::models {

struct PassInputs {
  at::Tensor ids;                ///< [rows] int64; 0 beyond the documents
  kernels::Documents documents;  ///< where each document lies
  std::vector<RopeTable> ropes;  ///< [rows, dim / 2] by row of the pass, one per rope of the model
  at::Tensor query_factor;       ///< [rows], where the family scales queries by position
  at::Tensor embedding_scale;    ///< [], dtype of the weights, where the family has one
};

/// rows: of the pass, at least as many as tokens. Throws CheckpointError for a token id outside of
/// the embedding.
PassInputs make_inputs(const DecoderSpec& spec, RopeTables& ropes, const PackedTokens& tokens,
                       int64_t rows, const DecoderOptions& options);

}  // namespace qk::models
