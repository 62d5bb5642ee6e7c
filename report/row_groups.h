#pragma once
/// The rows of one head, row group by row group: memory doesn't grow with the file.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "report/capture.h"

namespace parquet::arrow {
class FileReader;
}

namespace qk::report {

struct Rows {
  std::vector<int32_t> bucket, example_id, position;
  at::Tensor vectors;  ///< [rows, head_dim] float32; undefined when it wasn't asked for
};

class RowGroups {
 public:
  /// Throws OutputError: no such file, damaged, other columns or another head_dim.
  RowGroups(const HeadFile& head, int64_t head_dim);
  ~RowGroups();

  int count() const;
  int64_t rows() const;
  Rows read(int group, bool vectors) const;

 private:
  std::string name_;
  int64_t head_dim_;
  std::unique_ptr<parquet::arrow::FileReader> reader_;
};

}  // namespace qk::report
