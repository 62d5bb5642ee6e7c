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
#include <string_view>
#include <vector>

namespace qk::checkpoint {

enum class DType {
  Bool,
  U8,
  I8,
  F8_E4M3,
  F8_E5M2,
  I16,
  U16,
  F16,
  BF16,
  I32,
  U32,
  F32,
  I64,
  U64,
  F64
};

int64_t bytes_of(DType dtype);
std::string_view name_of(DType dtype);  ///< as in the file: "BF16"

struct TensorView {
  std::string name;
  DType dtype = DType::F32;
  std::vector<int64_t> shape;  ///< empty for a scalar
  /// Valid while the owning object lives. No alignment beyond 1 byte is promised.
  const std::byte* data = nullptr;
  int64_t bytes = 0;
  std::filesystem::path file;
  bool mapped = false;  ///< data lies in a file mapping, not in plain memory
};

/// One mapped file.
class SafetensorsFile {
 public:
  /// Throws CheckpointError naming file (and tensor): unreadable, too short, a Git LFS pointer,
  /// header longer than the file or than 100 MB, not JSON, nested deeply, a repeated name, negative
  /// or overflowing shape, offsets out of range, overlapping or with holes (trailing bytes too),
  /// size unequal to shape x dtype, __metadata__ that does not map texts to texts.
  static SafetensorsFile open(const std::filesystem::path& file);
  /// Same checks over bytes in memory (tests, fuzzing). `file` is for messages. The bytes must
  /// outlive the object.
  static SafetensorsFile parse(std::span<const std::byte> bytes, const std::filesystem::path& file);

  const std::map<std::string, TensorView>& tensors() const { return tensors_; }
  /// Tensors of dtypes that DType lacks: name -> dtype as in the file. Their offsets are checked,
  /// their size against the shape can't be. They harm nobody until somebody asks for one:
  /// Weights::at() then says what it is.
  const std::map<std::string, std::string>& unsupported() const { return unsupported_; }

 private:
  std::shared_ptr<const void> mapping_;
  std::map<std::string, TensorView> tensors_;
  std::map<std::string, std::string> unsupported_;
};

/// All weights of a checkpoint folder: model.safetensors, else the shards of
/// model.safetensors.index.json. Shards are opened on first use, so files that hold no needed
/// tensor are never read. Copies share the mappings. Safe to use from several threads.
class Weights {
 public:
  /// Throws CheckpointError: neither file there (says when only .bin weights are), index damaged or
  /// naming files outside of the folder. Shards are opened when a tensor of them is asked for:
  /// those that hold nothing needed may be missing.
  static Weights open(const std::filesystem::path& folder);

  std::vector<std::string> names() const;  ///< all tensor names, sorted, of whatever dtype
  bool contains(const std::string& name) const;
  /// Throws CheckpointError when there is no such tensor, its dtype is not in DType, or the index
  /// names a shard that is missing, lacks it or is damaged. The reference lives as long as any copy
  /// of this object.
  const TensorView& at(const std::string& name) const;
  /// Every weight file of the checkpoint, sorted.
  std::vector<std::filesystem::path> files() const;

 private:
  struct State;
  explicit Weights(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

/// Asks the kernel to read the pages of this tensor from disk, without waiting for them. Call it
/// one tensor ahead.
void prefetch_pages(const TensorView& tensor);

/// Tells the kernel that the pages of this tensor won't be read again (after a conversion copied
/// it): they stop counting as this process's memory. Reading them again is allowed, and costs a
/// page fault.
void drop_pages(const TensorView& tensor);

}  // namespace qk::checkpoint
