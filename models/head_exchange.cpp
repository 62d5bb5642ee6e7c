#include "models/head_exchange.h"

#include <ATen/ATen.h>

#include <bit>

namespace qk::models {
namespace {

using at::Tensor;

/// Calls exchange(from, to) for every pair of parts, a part with itself included. The parts of a
/// round are in pairs of their own, so that all its pairs can copy at the same time.
template <typename Exchange>
void for_each_pair(size_t parts, const Exchange& exchange) {
  for (size_t round = 0; round < std::bit_ceil(parts); ++round) {
    for (size_t from = 0; from < parts; ++from)
      if (const size_t to = from ^ round; to < parts) exchange(from, to);
  }
}

/// The columns of the heads of part number `part` of `parts`.
Tensor share(const Tensor& x, size_t part, size_t parts) {
  const int64_t width = x.size(1) / static_cast<int64_t>(parts);
  return x.narrow(1, static_cast<int64_t>(part) * width, width);
}

}  // namespace

Projections::Projections(int64_t rows, int64_t query_width, int64_t key_width,
                         const at::TensorOptions& options)
    : all(at::empty({rows, query_width + 2 * key_width}, options)) {
  const auto columns = all.split_with_sizes({query_width, key_width, key_width}, 1);
  q = columns[0], k = columns[1], v = columns[2];
}

HeadExchange::HeadExchange(std::vector<PartOfPass> parts, int64_t rows) : parts_(std::move(parts)) {
  if (parts_.size() == 1) {
    heads_.push_back(parts_[0].projections);
    return;
  }
  const auto count = static_cast<int64_t>(parts_.size());
  const int64_t tokens = parts_.back().begin + parts_.back().tokens;
  for (const PartOfPass& part : parts_) {
    const Projections& own = part.projections;
    heads_.emplace_back(rows, own.q.size(1) / count, own.k.size(1) / count, own.all.options());
    heads_.back().all.slice(0, tokens).zero_();
  }
}

const std::vector<Projections>& HeadExchange::to_heads() {
  if (parts_.size() > 1)
    for_each_pair(parts_.size(), [&](size_t from, size_t to) { send(from, to); });
  return heads_;
}

/// In one piece, so that it is one copy between devices.
void HeadExchange::send(size_t from, size_t to) {
  const PartOfPass& part = parts_[from];
  if (part.tokens == 0) return;
  std::vector<Tensor> columns;
  for (const Tensor* x : {&part.projections.q, &part.projections.k, &part.projections.v})
    columns.push_back(share(x->narrow(0, 0, part.tokens), to, parts_.size()));
  Tensor target = heads_[to].all.narrow(0, part.begin, part.tokens);
  if (target.device() == columns[0].device()) {
    at::cat_out(target, columns, 1);
  } else {
    target.copy_(at::cat(columns, 1), /*non_blocking=*/true);
  }
}

std::vector<Tensor> HeadExchange::to_rows(std::vector<Tensor> attended) const {
  if (parts_.size() == 1) return attended;
  std::vector<std::vector<Tensor>> received(parts_.size(), std::vector<Tensor>(parts_.size()));
  for_each_pair(parts_.size(), [&](size_t from, size_t to) {
    const PartOfPass& part = parts_[to];
    received[to][from] = attended[from]
                             .narrow(0, part.begin, part.tokens)
                             .to(part.projections.all.device(), /*non_blocking=*/true);
  });
  std::vector<Tensor> rows;
  for (size_t p = 0; p < parts_.size(); ++p) {
    const Projections& own = parts_[p].projections;
    rows.push_back(at::empty({own.all.size(0), own.q.size(1)}, own.all.options()));
    Tensor target = rows[p].narrow(0, 0, parts_[p].tokens);
    at::cat_out(target, received[p], 1);
    rows[p].slice(0, parts_[p].tokens).zero_();
  }
  return rows;
}

}  // namespace qk::models
