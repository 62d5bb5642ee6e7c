#pragma once
/// Safetensors files, mapped, with everything checked before it is trusted. No torch here.
/// Source: https://github.com/huggingface/safetensors (format section of its README).
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace qk::checkpoint {

enum class DType { Bool, U8, I8, F8_E4M3, F8_E5M2, I16, U16, F16, BF16, I32, U32, F32, I64, U64, F64 };

int64_t bytes_of(DType dtype);
std::string_view name_of(DType dtype);

struct TensorView {
  std::string name;
  DType dtype = DType::F32;
  std::vector<int64_t> shape;
  const std::byte* data = nullptr;  ///< in the mapping; valid while the owning object lives; alignment: 1 byte guaranteed
  int64_t bytes = 0;
  std::filesystem::path file;
};

/// One mapped file.
class SafetensorsFile {
 public:
  /// Throws CheckpointError naming file (and tensor): too short, header longer than the file or than 100 MB, not JSON,
  /// unknown dtype, negative or overflowing shape, offsets out of range, overlapping or with holes, size unequal to
  /// shape x dtype.
  static SafetensorsFile open(const std::filesystem::path& file);
  /// Same checks over bytes in memory (tests, fuzzing). `file` is for messages. The bytes must outlive the object.
  static SafetensorsFile parse(std::span<const std::byte> bytes, const std::filesystem::path& file);

  const std::map<std::string, TensorView>& tensors() const { return tensors_; }

 private:
  std::shared_ptr<const void> mapping_;
  std::map<std::string, TensorView> tensors_;
};

/// All weights of a checkpoint folder: model.safetensors, or the shards of model.safetensors.index.json.
/// Shards are opened on first use, so files that hold no needed tensor are never touched.
class Weights {
 public:
  /// Throws CheckpointError: neither file there (says when only .bin weights are), index damaged, shard missing.
  static Weights open(const std::filesystem::path& folder);

  std::vector<std::string> names() const;  ///< all tensor names, sorted
  bool contains(const std::string& name) const;
  /// Throws CheckpointError when there is no such tensor, or the index names a shard that lacks it.
  const TensorView& at(const std::string& name) const;
  std::vector<std::filesystem::path> files() const;  ///< every weight file of the checkpoint

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// Tells the kernel that the pages of this tensor won't be read again (after a conversion copied it).
void drop_pages(const TensorView& tensor);

}  // namespace qk::checkpoint
