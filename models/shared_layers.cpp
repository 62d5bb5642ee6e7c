#include "models/shared_layers.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/error.h"
#include "base/log.h"

namespace qk::models {
namespace {

constexpr int64_t kAlignment = 256;

at::TensorOptions bytes_on(at::Device device) {
  return at::TensorOptions(at::kByte).device(device);
}

}  // namespace

LayerShares::LayerShares(std::vector<LayerLayout> layouts, const Precision& precision,
                         std::vector<at::Device> devices)
    : layouts_(std::move(layouts)), devices_(std::move(devices)), shares_(devices_.size()) {
  const auto parts = std::ssize(devices_);
  const at::Tensor whole = at::empty(
      {largest(layouts_)}, at::TensorOptions(at::kByte).pinned_memory(!devices_[0].is_cpu()));
  for (const LayerLayout& layout : layouts_) {
    layout.fill(whole, precision);
    for (const LayerLayout::Source& source : layout.sources()) checkpoint::drop_pages(source.view);
    const int64_t units = (layout.bytes() + kAlignment - 1) / kAlignment;
    const int64_t step = (units + parts - 1) / parts * kAlignment;
    for (int64_t p = 0; p < parts; ++p) {
      const int64_t begin = std::min(p * step, layout.bytes());
      const int64_t count = std::min(step, layout.bytes() - begin);
      auto& shares = shares_[static_cast<size_t>(p)];
      shares.push_back({at::empty({count}, bytes_on(devices_[static_cast<size_t>(p)])), begin});
      shares.back().bytes.copy_(whole.narrow(0, begin, count));
    }
  }
}

SharedLayers::SharedLayers(std::vector<size_t> layers, std::shared_ptr<const LayerShares> shares,
                           size_t part)
    : RotatingLayers(std::move(layers)),
      shares_(std::move(shares)),
      part_(part),
      device_(shares_->devices()[part]),
      slots_(kOnDevice) {
  QK_ASSERT(layers_.size() == shares_->layouts().size());
  for (const at::Device from : shares_->devices()) streams_.emplace_back(from, device_);
  for (Slot& slot : slots_) {
    slot.memory = at::empty({largest(shares_->layouts())}, bytes_on(device_));
    slot.arrived.resize(streams_.size());
    slot.released.record(current_stream(device_));  // what had the memory before may still be read
  }
  fetch(0);
}

SharedLayers::~SharedLayers() {
  try {
    for (const Slot& slot : slots_)
      for (const Signal& arrived : slot.arrived) arrived.wait();  // nobody else may have the memory
  } catch (const c10::Error& error) {
    log::debug("device: {}", error.what_without_backtrace());
  }
}

/// Each device begins with its own share and goes on with its neighbours', so that all give and
/// take at the same time.
void SharedLayers::fetch(size_t number) {
  const size_t parts = streams_.size(), layer = number % layers_.size();
  Slot& to = slot(number);
  to.tensors = shares_->layouts()[layer].tensors_in(to.memory);
  for (size_t i = 0; i < parts; ++i) {
    const size_t from = (part_ + i) % parts;
    const auto& [bytes, begin] = shares_->at(from, layer);
    to.released.block(streams_[from].to);
    streams_[from].queue([&, &bytes = bytes, begin = begin] {
      to.memory.narrow(0, begin, bytes.size(0)).copy_(bytes, /*non_blocking=*/true);
    });
    to.arrived[from].record(streams_[from].to);
  }
}

const LayerTensors& SharedLayers::use_next() {
  const Slot& next = slot(used_++);
  for (const Signal& arrived : next.arrived) arrived.block(current_stream(device_));
  QK_ASSERT(used_ < released_ + slots_.size());
  fetch(used_);
  return next.tensors;
}

void SharedLayers::release_oldest() {
  QK_ASSERT(released_ < used_);
  slot(released_++).released.record(current_stream(device_));
}

}  // namespace qk::models
