#pragma once
/// Some rows of a head in memory: always the same ones, chosen by a hash of what they are.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <queue>
#include <span>
#include <vector>

namespace qk::report {

struct SampledRow {
  uint64_t hash = 0;
  int32_t position = 0;
  std::vector<float> vector;

  bool operator<(const SampledRow& other) const { return hash < other.hash; }
};

/// The `size` rows with the smallest hashes.
class RowSample {
 public:
  explicit RowSample(size_t size) : size_(size) {}
  void add(uint64_t hash, int32_t position, std::span<const float> vector);

  /// By position.
  std::vector<SampledRow> take();

 private:
  size_t size_;
  std::priority_queue<SampledRow> rows_;
};

/// A sample of some rows of each of some documents: the documents with the smallest hashes, so that
/// samples of different heads meet in them.
class DocumentSample {
 public:
  DocumentSample(size_t documents, size_t rows) : documents_(documents), rows_(rows) {}
  void add(int32_t example_id, int32_t position, std::span<const float> vector);

  /// By example_id.
  std::map<int32_t, std::vector<SampledRow>> take();

 private:
  struct Document {
    int32_t example_id;
    RowSample rows;
  };

  size_t documents_, rows_;
  std::map<uint64_t, Document> sample_;  // by the document's hash
};

/// [rows, head_dim] float32
at::Tensor vectors_of(const std::vector<SampledRow>& rows);

}  // namespace qk::report
