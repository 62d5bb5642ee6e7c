#pragma once
/// The way of rows from the decoder's devices to the writer.
#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "saver/rows.h"

namespace qk::sniffer {

/// A block whose vectors are still to be gathered: out = [heads, rows, head_dim].
struct StagedBlock {
  saver::RowBlock block;  ///< without vectors
  size_t unit = 0;        ///< of the pass
  int64_t bytes = 0;      ///< of its vectors
};

/// On a CPU blocks go straight to the sink. On a GPU they collect in device memory, leave in few
/// large asynchronous copies to pinned memory, and reach the sink when drained; only when more than
/// `bytes` are under way does adding wait for the oldest copy. The sink gets the blocks of a pass
/// before those of the next one, and those from one device in the order in which they were added.
class RowStage {
 public:
  static constexpr int64_t kBlockBytes = 64 << 20;

  using Sink = std::function<void(saver::RowBlock block, size_t unit)>;
  using PassDone = std::function<void(const std::vector<int64_t>& rows_by_document)>;
  RowStage(int64_t bytes, Sink sink, PassDone pass_done);

  /// gather(memory): queues the block's vectors into memory, `staged.bytes` on the device. A block
  /// has at most kBlockBytes.
  void add(StagedBlock staged, at::Device device,
           const std::function<void(at::Tensor memory)>& gather);

  /// Bytes that the pass in progress will still add; only sizes device memory.
  void expect(int64_t bytes) { expected_ = bytes; }

  void end_pass(std::vector<int64_t> rows_by_document);

  /// Waits for the copies of ended passes, but for the newest `keep`, and hands their blocks on.
  void drain(size_t keep);

  /// Drops what the pass in progress has added. False if some of it was handed on already.
  bool drop_pass();

 private:
  struct Chunk {
    std::vector<StagedBlock> blocks;  // in the order of their bytes
    at::Tensor device, host;          // [bytes], the first one kept until it is copied
    int64_t used = 0;
    std::optional<c10::Event> copied;
    std::optional<std::vector<int64_t>> pass_done;  // the pass ended with this chunk
  };
  void copy_to_host(Chunk& chunk);
  void send(Chunk chunk);
  void hand_on_oldest();

  const int64_t bytes_;
  const Sink sink_;
  const PassDone pass_done_;
  std::map<c10::DeviceIndex, std::optional<c10::Stream>> copies_;
  std::map<c10::DeviceIndex, Chunk> open_;
  std::deque<Chunk> under_way_;
  int64_t bytes_under_way_ = 0;
  int64_t expected_ = 0;
  size_t passes_under_way_ = 0;
  size_t chunks_of_pass_ = 0;  // of the pass in progress, under way
  bool handed_on_of_pass_ = false;
};

}  // namespace qk::sniffer
