#include "models/pass_inputs.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

#include "base/error.h"

namespace qk::models {
namespace {

using at::Tensor;

/// Without waiting for what the device still does: from memory that the driver can read by itself.
Tensor upload(const Tensor& x, at::Device device) {
  if (device.is_cpu()) return x;
  return x.pin_memory().to(device, /*non_blocking=*/true);
}

Tensor checked_ids(const DecoderSpec& spec, const std::vector<int32_t>& ids, int64_t rows) {
  Tensor index = at::zeros({rows}, at::kLong);
  Tensor own = index.slice(0, 0, static_cast<int64_t>(ids.size()));
  own.copy_(at::from_blob(const_cast<int32_t*>(ids.data()), {own.size(0)}, at::kInt));
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

/// The position of every row in its document; 0 beyond the documents.
Tensor positions_of(const std::vector<int64_t>& offsets, int64_t rows) {
  Tensor positions = at::zeros({rows}, at::kLong);
  auto* data = positions.mutable_data_ptr<int64_t>();
  for (size_t d = 0; d + 1 < offsets.size(); ++d)
    std::iota(data + offsets[d], data + offsets[d + 1], int64_t{0});
  return positions;
}

bool same_table(const RopeTable& a, const RopeTable& b) { return a.cos.is_same(b.cos); }

/// The table's rows in the order of the pass, in the type of the vectors that they turn.
RopeTable by_row(size_t rope, RopeTables& ropes, const std::vector<int64_t>& offsets,
                 const Tensor& positions, at::ScalarType type) {
  int64_t longest = 0;
  for (size_t d = 0; d + 1 < offsets.size(); ++d)
    longest = std::max(longest, offsets[d + 1] - offsets[d]);
  const RopeTable common = ropes.at(rope, longest);
  RopeTable rows{common.cos.index_select(0, positions).to(type),
                 common.sin.index_select(0, positions).to(type)};
  for (size_t d = 0; d + 1 < offsets.size(); ++d) {
    const int64_t begin = offsets[d], length = offsets[d + 1] - begin;
    const RopeTable own = ropes.at(rope, length);
    if (same_table(own, common)) continue;
    rows.cos.narrow(0, begin, length).copy_(own.cos.narrow(0, 0, length));
    rows.sin.narrow(0, begin, length).copy_(own.sin.narrow(0, 0, length));
  }
  return rows;
}

/// 1 + beta * ln(1 + floor(position / original)), rounded to the model dtype.
Tensor query_factor(const QueryTemperature& t, const Tensor& positions, at::ScalarType dtype) {
  const Tensor steps = positions.div(t.original_max_positions).floor_().add_(1);
  return on_this_thread(steps, at::log_out).mul_(t.beta).add_(1).to(dtype);
}

}  // namespace

PassInputs make_inputs(const DecoderSpec& spec, RopeTables& ropes, const PackedTokens& tokens,
                       int64_t rows, const DecoderOptions& options) {
  const at::Device device = options.device;
  PassInputs inputs;
  inputs.ids = upload(checked_ids(spec, tokens.ids, rows), device);
  inputs.documents.offsets = tokens.offsets;
  if (!device.is_cpu()) {
    inputs.documents.device_offsets =
        upload(at::tensor(tokens.offsets, at::kLong).to(at::kInt), device);
  }
  const Tensor positions = positions_of(tokens.offsets, rows);
  const Tensor device_positions = upload(positions, device);
  for (size_t rope = 0; rope < spec.ropes.size(); ++rope)
    inputs.ropes.push_back(
        by_row(rope, ropes, tokens.offsets, device_positions, options.precision.stream()));
  if (spec.query_temperature) {
    inputs.query_factor = upload(
        query_factor(*spec.query_temperature, positions, options.precision.stream()), device);
  }
  if (spec.embedding_scale) {
    inputs.embedding_scale = at::scalar_tensor(
        *spec.embedding_scale, at::TensorOptions(options.precision.weights).device(device));
  }
  return inputs;
}

}  // namespace qk::models
