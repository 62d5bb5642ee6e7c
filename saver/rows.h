#pragma once
/// What the capture hands to the writer. Plain memory, no torch, no Arrow.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace qk::saver {

enum class VectorType { Float32, BFloat16, Float16 };  ///< as captured; files always hold float32

constexpr int64_t bytes_of(VectorType type) { return type == VectorType::Float32 ? 4 : 2; }

/// The captured heads of one layer and kind.
struct LayerHeads {
  int32_t layer = 0;
  char kind = 'q';                        ///< 'q' or 'k'
  std::vector<int32_t> heads;             ///< ascending
  std::optional<int32_t> sliding_window;  ///< tokens, nullopt: full attention
};

/// What a whole run captures. Groups in the order (layer ascending; q before k).
struct CaptureLayout {
  std::vector<LayerHeads> groups;
  int64_t head_dim = 0;
  VectorType vector_type = VectorType::Float32;
  bool token_strings = false;
};

/// One document that the run has finished with.
struct Document {
  int64_t index = 0;       ///< row in the dataset
  int64_t example_id = 0;  ///< full 64 bits; the column keeps the low 32
  std::string source_id;
  int64_t tokens = 0;  ///< 0: skipped, no token
  bool truncated = false;
  int64_t rows =
      0;  ///< captured from it, over all heads; the writer checks the sum against the blocks
};

/// Bytes that stay where they were made: shared, never copied, never changed.
class SharedBytes {
 public:
  SharedBytes() = default;
  SharedBytes(std::vector<std::byte> bytes)
      : SharedBytes(std::make_shared<const std::vector<std::byte>>(std::move(bytes))) {}
  /// owner keeps bytes alive.
  SharedBytes(std::span<const std::byte> bytes, std::shared_ptr<const void> owner)
      : bytes_(bytes), owner_(std::move(owner)) {}

  const std::byte* data() const { return bytes_.data(); }
  size_t size() const { return bytes_.size(); }
  auto begin() const { return bytes_.begin(); }
  auto end() const { return bytes_.end(); }

 private:
  explicit SharedBytes(std::shared_ptr<const std::vector<std::byte>> bytes)
      : bytes_(*bytes), owner_(std::move(bytes)) {}

  std::span<const std::byte> bytes_;
  std::shared_ptr<const void> owner_;
};

/// Rows of one group (layer, kind) from some consecutive documents; all heads of a group share the
/// row columns.
struct RowBlock {
  int32_t group = 0;                ///< index into CaptureLayout::groups
  std::vector<int32_t> bucket;      ///< [rows]
  std::vector<int32_t> example_id;  ///< [rows]
  std::vector<int32_t> position;    ///< [rows]
  std::vector<int32_t> token_id;    ///< [rows] with CaptureLayout::token_strings, else empty
  SharedBytes vectors = {};         ///< [heads][rows][head_dim] of CaptureLayout::vector_type
};

/// Everything from some consecutive documents of the dataset (no index is left out), in dataset
/// order. What is too large for memory comes in parts: batches without documents, then one that
/// lists the documents all these parts belong to. Only that last one makes them count as done;
/// parts that a crash left without it are dropped. In each group the parts' rows follow one another
/// in dataset order.
struct CapturedBatch {
  std::vector<Document> documents;
  std::vector<RowBlock> blocks;  ///< groups without rows may be left out; each group at most once
};

}  // namespace qk::saver
