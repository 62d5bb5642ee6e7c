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

RowStage::RowStage(int64_t bytes, Sink sink, PassDone pass_done)
    : bytes_(bytes), sink_(std::move(sink)), pass_done_(std::move(pass_done)) {}

void RowStage::add(StagedBlock staged, at::Device device,
                   const std::function<void(at::Tensor memory)>& gather) {
  QK_ASSERT(staged.bytes <= kBlockBytes);
  if (device.is_cpu()) {
    std::vector<std::byte> vectors(static_cast<size_t>(staged.bytes));
    gather(at::from_blob(vectors.data(), {staged.bytes}, at::kByte));
    staged.block.vectors = std::move(vectors);
    handed_on_of_pass_ = true;
    sink_(std::move(staged.block), staged.unit);
    return;
  }
  Chunk& open = open_[device.index()];
  if (open.device.defined() && open.used + staged.bytes > open.device.size(0))
    send(std::exchange(open, {}));
  if (!open.device.defined())
    open.device = bytes_on(device, std::clamp(expected_, staged.bytes, kBlockBytes));
  gather(open.device.slice(0, open.used, open.used + staged.bytes));
  open.used += staged.bytes;
  expected_ -= staged.bytes;
  open.blocks.push_back(std::move(staged));
}

/// Queues the copy beside the decoder's work, behind what has filled the chunk.
void RowStage::copy_to_host(Chunk& chunk) {
  const at::Device at = chunk.device.device();
  const c10::impl::VirtualGuardImpl device(at.type());
  c10::Event filled(at.type());
  filled.record(device.getStream(at));
  std::optional<c10::Stream>& copies = copies_[at.index()];
  if (!copies) copies = device.getStreamFromGlobalPool(at);
  filled.block(*copies);
  const c10::StreamGuard guard(*copies);
  chunk.host = pinned_bytes(chunk.used);
  chunk.host.copy_(chunk.device.slice(0, 0, chunk.used), /*non_blocking=*/true);
  chunk.copied.emplace(at.type());
  chunk.copied->record(*copies);
}

void RowStage::send(Chunk chunk) {
  while (!under_way_.empty() && bytes_under_way_ + chunk.used > bytes_) hand_on_oldest();
  copy_to_host(chunk);
  bytes_under_way_ += chunk.used;
  under_way_.push_back(std::move(chunk));
  ++chunks_of_pass_;
}

void RowStage::end_pass(std::vector<int64_t> rows_by_document) {
  for (auto& [device, chunk] : std::exchange(open_, {})) send(std::move(chunk));
  const bool without_chunk = std::exchange(chunks_of_pass_, 0) == 0;
  handed_on_of_pass_ = false;
  if (under_way_.empty()) return pass_done_(rows_by_document);
  if (without_chunk) under_way_.emplace_back();
  under_way_.back().pass_done = std::move(rows_by_document);
  ++passes_under_way_;
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
    sink_(std::move(staged.block), staged.unit);
  }
  if (chunk.pass_done) {
    --passes_under_way_;
    pass_done_(*chunk.pass_done);
  }
}

bool RowStage::drop_pass() {
  if (handed_on_of_pass_) return false;
  open_.clear();
  for (; chunks_of_pass_ > 0; --chunks_of_pass_) {
    bytes_under_way_ -= under_way_.back().used;
    under_way_.pop_back();
  }
  return true;
}

}  // namespace qk::sniffer
