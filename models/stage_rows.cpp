#include "models/stage_rows.h"

#include <ATen/ATen.h>

#include "base/log.h"

namespace qk::models {
namespace {

/// Passes are about as large as one another: with some room to spare the memory stays what it is.
constexpr int64_t kRowsAtOnce = 8192;

}  // namespace

StageRows::StageRows(at::Device device, int64_t width, at::ScalarType type, StageRows* before)
    : device_(device), width_(width), type_(type), before_(before) {
  if (before_ != nullptr) streams_.emplace(before_->device_, device_);
}

StageRows::~StageRows() {
  try {
    for (const Slot& slot : slots_) slot.used.wait();  // nobody else may have the memory before
  } catch (const c10::Error& error) {
    log::debug("device: {}", error.what_without_backtrace());
  }
}

at::Tensor StageRows::begin_pass(int64_t rows) {
  if (in_pass_) end_pass();
  ++passes_;
  in_pass_ = true;
  Slot& slot = current();
  make_room(slot, 2 * rows * width_);
  slot.rows = slot.memory.narrow(0, 0, 2 * rows * width_).view({2, rows, width_});
  if (before_ != nullptr) {
    Slot& source = before_->current();
    source.used.block(streams_->from);
    slot.used.block(streams_->to);
    streams_->queue([&] { slot.rows.copy_(source.rows, /*non_blocking=*/true); });
    source.used.record(streams_->from);
    slot.used.record(streams_->to);
  }
  slot.used.block(current_stream(device_));
  return slot.rows;
}

void StageRows::end_pass() {
  current().used.record(current_stream(device_));
  in_pass_ = false;
}

void StageRows::make_room(Slot& slot, int64_t values) const {
  if (slot.memory.defined() && slot.memory.size(0) >= values) return;
  slot.used.wait();
  slot.rows = slot.memory = at::Tensor();
  const int64_t unit = 2 * kRowsAtOnce * width_;
  slot.memory =
      at::empty({(values + unit - 1) / unit * unit}, at::TensorOptions(type_).device(device_));
  slot.used.record(current_stream(device_));  // what had it before may still be read
}

}  // namespace qk::models
