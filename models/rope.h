#pragma once
/// Rotary position embeddings: parameters of both config generations, frequencies, cos/sin tables.
/// Source: transformers v5.15 modeling_rope_utils.py (formulas), verified by the golden runs.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/hf_config.h"

namespace qk::models {

enum class RopeType { Default, Linear, Dynamic, Llama3, Yarn, LongRope, Proportional };

/// Parameters of one table. Fields that a type does not use stay at their neutral values.
struct Rope {
  RopeType type = RopeType::Default;
  double theta = 10000.0;
  int64_t dim = 0;       ///< rotated dimensions of a head; the rest passes through
  int64_t head_dim = 0;  ///< Proportional: the table spans the whole head
  double partial = 1.0;  ///< Proportional: share of the pairs with a frequency
  int64_t max_positions = 0;
  double factor = 1.0;
  double low_freq_factor = 1.0, high_freq_factor = 4.0;  ///< Llama3
  double original_max_positions = 0;                     ///< Llama3, Yarn, LongRope
  double beta_fast = 32.0, beta_slow = 1.0;              ///< Yarn
  bool truncate = true;           ///< Yarn: round the correction range to whole dimensions
  double attention_factor = 1.0;  ///< multiplies cos and sin
  std::vector<double> short_factor, long_factor;  ///< LongRope, dim / 2 each
};

/// What a family's config class assumes when the file says nothing.
struct RopeDefaults {
  double theta = 10000.0;
  double partial = 1.0;
};

/// The rope object of either generation as one flat object: a non-empty `rope_scaling` replaces
/// `rope_parameters`; rope_theta and partial_rotary_factor are filled in from the top level or the
/// defaults.
nlohmann::json rope_object(const nlohmann::json& config, const RopeDefaults& defaults);

/// Parameters from such an object. Throws CheckpointError naming the key: unknown type, missing or
/// bad value.
Rope parse_rope(const checkpoint::HfConfig& object, const checkpoint::HfConfig& config,
                int64_t head_dim);

/// Frequencies for a document of `length` tokens: [dim / 2] float32, CPU.
at::Tensor rope_frequencies(const Rope& rope, int64_t length);

/// function(out, x) over contiguous x, piece by piece on the calling thread. MKL's vector
/// functions, which ATen calls for cos, sin and log, can give a second thread results that are off
/// by up to 1e-4 (seen with torch 2.11 in 1 of 50 runs, in the upper half of a rotary table), so
/// tables are never computed by several threads.
at::Tensor on_this_thread(const at::Tensor& x,
                          at::Tensor& (*function)(at::Tensor&, const at::Tensor&));

struct RopeTable {
  at::Tensor cos, sin;  ///< [positions, dim / 2], model dtype, attention_factor included
};

/// Tables by rope and, where they depend on it (dynamic beyond max_positions, longrope), by the
/// document's length: the document's own, where upstream takes the padded batch's. Not thread-safe.
class RopeTables {
 public:
  RopeTables(std::vector<Rope> ropes, at::ScalarType dtype, at::Device device);

  /// A table with at least `length` rows, valid for a document of exactly `length` tokens.
  RopeTable at(size_t rope, int64_t length);

 private:
  std::vector<Rope> ropes_;
  at::ScalarType dtype_;
  at::Device device_;
  std::map<std::pair<size_t, bool>, RopeTable> tables_;  ///< (rope, beyond the original length)
};

}  // namespace qk::models
