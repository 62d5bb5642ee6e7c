#pragma once
/// A finished capture made of numbers that a test chooses.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "saver/dataset_writer.h"

namespace qk::report::testing {

struct SmallCapture {
  saver::CaptureLayout layout;
  std::vector<int64_t> example_ids = {1, 2, 3};
  int64_t tokens = 40;  ///< of each document; every position becomes a row
  /// The value of one dimension.
  std::function<float(int64_t example_id, const saver::LayerHeads& group, int32_t head,
                      int32_t position, int64_t dim)>
      value;

  /// Layers 0 (window 16) and 1, two query heads and one key head each, head_dim 4, float32; values
  /// that are all different.
  SmallCapture();

  /// Sampler `all`, buckets of 16 positions.
  void write(const std::filesystem::path& data_root) const;

 private:
  saver::RowBlock block(size_t group) const;
};

}  // namespace qk::report::testing
