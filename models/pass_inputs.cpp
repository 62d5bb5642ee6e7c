#include "models/pass_inputs.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "kernels/upload.h"

namespace qk::models {
namespace {

using at::Tensor;
using kernels::upload;

Tensor checked_ids(const DecoderSpec& spec, const std::vector<int32_t>& ids, const PartRows& rows) {
  Tensor index = at::zeros({rows.padded()}, at::kLong);
  if (rows.tokens == 0) return index;
  Tensor own = index.slice(0, 0, rows.tokens);
  own.copy_(at::from_blob(const_cast<int32_t*>(ids.data() + rows.begin), {rows.tokens}, at::kInt));
  if (spec.token_read_as_0) own.masked_fill_(own == *spec.token_read_as_0, 0);
  const bool inside = own.min().item<int64_t>() >= 0 && own.max().item<int64_t>() < spec.vocab;
  if (!inside) {
    throw CheckpointError(
        "token id {} is outside of the model's embedding ({} rows): tokenizer and model don't "
        "belong together",
        own.max().item<int64_t>(), spec.vocab);
  }
  return index;
}

/// What a part holds of a document.
struct Piece {
  int64_t row = 0;       // of the part
  int64_t position = 0;  // in the document
  int64_t tokens = 0;
  int64_t length = 0;  // of the document
};

std::vector<Piece> pieces_of(const std::vector<int64_t>& offsets, const PartRows& rows) {
  std::vector<Piece> pieces;
  for (size_t d = 0; d + 1 < offsets.size(); ++d) {
    const int64_t begin = std::max(offsets[d], rows.begin);
    const int64_t end = std::min(offsets[d + 1], rows.begin + rows.tokens);
    if (begin >= end) continue;
    pieces.push_back({.row = begin - rows.begin,
                      .position = begin - offsets[d],
                      .tokens = end - begin,
                      .length = offsets[d + 1] - offsets[d]});
  }
  return pieces;
}

/// The position of every row in its document; 0 beyond the documents.
Tensor positions_of(const std::vector<Piece>& pieces, int64_t rows) {
  Tensor positions = at::zeros({rows}, at::kLong);
  auto* data = positions.mutable_data_ptr<int64_t>();
  for (const Piece& piece : pieces)
    std::iota(data + piece.row, data + piece.row + piece.tokens, piece.position);
  return positions;
}

bool same_table(const RopeTable& a, const RopeTable& b) { return a.cos.is_same(b.cos); }

/// The table's rows in the order of the part, in the type of the vectors that they turn.
RopeTable by_row(size_t rope, RopeTables& ropes, const std::vector<Piece>& pieces,
                 const Tensor& positions, at::ScalarType type) {
  int64_t longest = 0;
  for (const Piece& piece : pieces) longest = std::max(longest, piece.length);
  const RopeTable common = ropes.at(rope, longest);
  RopeTable rows{common.cos.index_select(0, positions).to(type),
                 common.sin.index_select(0, positions).to(type)};
  for (const Piece& piece : pieces) {
    const RopeTable own = ropes.at(rope, piece.length);
    if (same_table(own, common)) continue;
    const auto copy = [&](Tensor to, const Tensor& from) {
      to.narrow(0, piece.row, piece.tokens).copy_(from.narrow(0, piece.position, piece.tokens));
    };
    copy(rows.cos, own.cos), copy(rows.sin, own.sin);
  }
  return rows;
}

/// 1 + beta * ln(1 + floor(position / original)), rounded to the model dtype.
Tensor query_factor(const QueryTemperature& t, const Tensor& positions, at::ScalarType dtype) {
  const Tensor steps = positions.div(t.original_max_positions).floor_().add_(1);
  return on_this_thread(steps, at::log_out).mul_(t.beta).add_(1).to(dtype);
}

}  // namespace

PassInputs select_rows(const PassInputs& inputs, const Tensor& index) {
  PassInputs rows = inputs;
  for (RopeTable& rope : rows.ropes)
    rope = {rope.cos.index_select(0, index), rope.sin.index_select(0, index)};
  if (inputs.query_factor.defined()) rows.query_factor = inputs.query_factor.index_select(0, index);
  return rows;
}

at::Tensor make_ids(const DecoderSpec& spec, const PackedTokens& tokens, const PartRows& rows,
                    at::Device device) {
  return upload(checked_ids(spec, tokens.ids, rows), device);
}

PassInputs make_inputs(const DecoderSpec& spec, RopeTables& ropes, const PackedTokens& tokens,
                       const PartRows& rows, const Precision& precision, at::Device device) {
  PassInputs inputs;
  inputs.documents.offsets = tokens.offsets;
  if (!device.is_cpu()) {
    inputs.documents.device_offsets =
        upload(at::tensor(tokens.offsets, at::kLong).to(at::kInt), device);
  }
  const std::vector<Piece> pieces = pieces_of(tokens.offsets, rows);
  const Tensor positions = positions_of(pieces, rows.padded());
  const Tensor device_positions = upload(positions, device);
  for (size_t rope = 0; rope < spec.ropes.size(); ++rope)
    inputs.ropes.push_back(by_row(rope, ropes, pieces, device_positions, precision.stream()));
  if (spec.query_temperature) {
    inputs.query_factor =
        upload(query_factor(*spec.query_temperature, positions, precision.stream()), device);
  }
  if (spec.embedding_scale) {
    inputs.embedding_scale = at::scalar_tensor(*spec.embedding_scale,
                                               at::TensorOptions(precision.weights).device(device));
  }
  return inputs;
}

}  // namespace qk::models
