#include "sniffer/row_stage.h"

#include <ATen/ATen.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <memory>

#include "base/error.h"

namespace qk::sniffer {
namespace {

at::Tensor bytes_on(at::Device device, int64_t count) {
  return at::empty({count}, at::TensorOptions(at::kByte).device(device));
}

at::Tensor pinned_bytes(int64_t count) {
  return at::empty({count}, at::TensorOptions(at::kByte).pinned_memory(true));
}

}  // namespace

RowStage::RowStage(at::Device device, int64_t bytes, Sink sink, PassDone pass_done)
    : device_(device), bytes_(bytes), sink_(std::move(sink)), pass_done_(std::move(pass_done)) {}

void RowStage::add(StagedBlock staged, const std::function<void(at::Tensor memory)>& gather) {
  QK_ASSERT(staged.bytes <= kBlockBytes);
  if (device_.is_cpu()) {
    std::vector<std::byte> vectors(static_cast<size_t>(staged.bytes));
    gather(at::from_blob(vectors.data(), {staged.bytes}, at::kByte));
    staged.block.vectors = std::move(vectors);
    sink_(std::move(staged.block));
    return;
  }
  if (open_.device.defined() && open_.used + staged.bytes > open_.device.size(0)) flush();
  if (!open_.device.defined())
    open_.device = bytes_on(device_, std::clamp(expected_, staged.bytes, kBlockBytes));
  gather(open_.device.slice(0, open_.used, open_.used + staged.bytes));
  open_.used += staged.bytes;
  expected_ -= staged.bytes;
  open_.blocks.push_back(std::move(staged));
}

/// Queues the copy beside the decoder's work, behind what has filled the chunk.
void RowStage::copy_to_host(Chunk& chunk) {
  const c10::impl::VirtualGuardImpl device(device_.type());
  c10::Event filled(device_.type());
  filled.record(device.getStream(device_));
  if (!copies_) copies_ = device.getStreamFromGlobalPool(device_);
  filled.block(*copies_);
  const c10::StreamGuard guard(*copies_);
  chunk.host = pinned_bytes(chunk.used);
  chunk.host.copy_(chunk.device.slice(0, 0, chunk.used), /*non_blocking=*/true);
  chunk.copied.emplace(device_.type());
  chunk.copied->record(*copies_);
}

/// Sends the open chunk on its way.
void RowStage::flush() {
  if (open_.used > 0) {
    while (!under_way_.empty() && bytes_under_way_ + open_.used > bytes_) hand_on_oldest();
    copy_to_host(open_);
  }
  bytes_under_way_ += open_.used;
  under_way_.push_back(std::exchange(open_, {}));
  ++chunks_of_pass_;
}

void RowStage::end_pass(std::vector<int64_t> rows_by_document) {
  if (device_.is_cpu()) {
    pass_done_(rows_by_document);
    return;
  }
  open_.pass_done = std::move(rows_by_document);
  flush();
  ++passes_under_way_;
  chunks_of_pass_ = 0;
  handed_on_of_pass_ = false;
}

void RowStage::drain(size_t keep) {
  while (passes_under_way_ > keep) hand_on_oldest();
}

void RowStage::hand_on_oldest() {
  Chunk chunk = std::move(under_way_.front());
  under_way_.pop_front();
  bytes_under_way_ -= chunk.used;
  if (passes_under_way_ == 0) {
    --chunks_of_pass_;
    handed_on_of_pass_ = true;
  }
  if (chunk.copied) chunk.copied->synchronize();
  // The blocks share the pinned memory until they are written.
  const auto memory = std::make_shared<const at::Tensor>(std::move(chunk.host));
  const std::byte* from =
      chunk.used > 0 ? static_cast<const std::byte*>(memory->const_data_ptr()) : nullptr;
  for (StagedBlock& staged : chunk.blocks) {
    staged.block.vectors = {{from, static_cast<size_t>(staged.bytes)}, memory};
    from += staged.bytes;
    sink_(std::move(staged.block));
  }
  if (chunk.pass_done) {
    --passes_under_way_;
    pass_done_(*chunk.pass_done);
  }
}

bool RowStage::drop_pass() {
  if (handed_on_of_pass_ || device_.is_cpu()) return false;
  open_ = {};
  for (; chunks_of_pass_ > 0; --chunks_of_pass_) {
    bytes_under_way_ -= under_way_.back().used;
    under_way_.pop_back();
  }
  return true;
}

}  // namespace qk::sniffer
