#pragma once
/// How the parts of a pass, each with some of its rows, come to attention, where each has some of
/// its heads.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace qk::models {

/// Queries, keys and values of some rows, side by side in one memory.
struct Projections {
  Projections() = default;
  Projections(int64_t rows, int64_t query_width, int64_t key_width,
              const at::TensorOptions& options);

  at::Tensor all;      ///< [rows, query_width + 2 * key_width]
  at::Tensor q, k, v;  ///< [rows, heads * head_dim], columns of it
};

/// A part's place in the exchange: `tokens` rows of the pass from row `begin` on.
struct PartOfPass {
  int64_t begin = 0, tokens = 0;
  Projections projections;  ///< of these rows, with the heads of all parts
};

/// Part p has the p-th share of the key heads and of the query heads that use them. With one part
/// both sides are the same memory, and nothing is copied. Between GPUs the copies are queued on the
/// current streams, which wait for one another; nothing waits on the host.
class HeadExchange {
 public:
  /// rows: of the projections on the side of the heads, at least as many as tokens; with one part,
  /// those of its own.
  HeadExchange(std::vector<PartOfPass> parts, int64_t rows);

  /// Copies what the parts' projections hold now. Returns for each part all tokens' projections of
  /// its heads, on its device; what is beyond the tokens is 0 or of no effect.
  const std::vector<Projections>& to_heads();

  /// attended: for each part all tokens, [rows, its query heads * head_dim]. Returns for each part
  /// its own rows of all heads; 0 beyond its tokens.
  std::vector<at::Tensor> to_rows(std::vector<at::Tensor> attended) const;

 private:
  void send(size_t from, size_t to);

  std::vector<PartOfPass> parts_;
  std::vector<Projections> heads_;  // by part
};

}  // namespace qk::models
