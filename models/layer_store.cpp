#include "models/layer_store.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/StreamGuard.h>

#include "base/error.h"
#include "base/log.h"

namespace qk::models {

RotatingLayers::RotatingLayers(std::vector<size_t> layers) : layers_(std::move(layers)) {
  QK_ASSERT(!layers_.empty());
}

void RotatingLayers::begin_pass() {
  while (released_ < used_) release_oldest();
  while (used_ % layers_.size() != 0) {  // what an aborted pass left
    use_next();
    release_oldest();
  }
}

const LayerTensors& RotatingLayers::use(size_t layer) {
  QK_ASSERT(layers_[used_ % layers_.size()] == layer);
  return use_next();
}

void RotatingLayers::release(size_t layer) {
  QK_ASSERT(layers_[released_ % layers_.size()] == layer);
  release_oldest();
}

StreamedLayers::StreamedLayers(std::vector<size_t> layers, std::vector<LayerLayout> layouts,
                               const Precision& precision, at::Device device)
    : RotatingLayers(std::move(layers)),
      layouts_(std::move(layouts)),
      precision_(precision),
      device_(device),
      slots_(kOnDevice),
      copies_(side_stream(device)) {
  QK_ASSERT(layers_.size() == layouts_.size());
  const int64_t bytes = largest(layouts_);
  for (Slot& slot : slots_)
    slot.memory = at::empty({bytes}, at::TensorOptions(at::kByte).device(device_));
  if (!device_.is_cpu()) {
    staging_.resize(2);
    for (Staging& staging : staging_)
      staging.memory = at::empty({bytes}, at::TensorOptions(at::kByte).pinned_memory(true));
  }
  // what had the memory before may still be read
  for (Slot& slot : slots_) slot.released.record(current_stream(device_));
  reader_ = std::thread([this] { read_layers(); });
}

StreamedLayers::~StreamedLayers() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  reader_.join();
  try {
    for (const Staging& staging : staging_)
      staging.copied.wait();  // nobody else may have the memory before
  } catch (const c10::Error& error) {
    log::debug("device: {}", error.what_without_backtrace());
  }
}

void StreamedLayers::read_layers() {
  try {
    const c10::InferenceMode inference;
    const c10::OptionalDeviceGuard guard(device_.is_cpu() ? std::nullopt : std::optional(device_));
    for (size_t number = 0;; ++number) {
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return stopping_ || number < released_ + slots_.size(); });
        if (stopping_) return;
      }
      read(number);
      {
        const std::lock_guard lock(mutex_);
        read_ = number + 1;
      }
      changed_.notify_all();
    }
  } catch (...) {
    {
      const std::lock_guard lock(mutex_);
      error_ = std::current_exception();
    }
    changed_.notify_all();
  }
}

/// The slot's last user is released: on a GPU, queued.
void StreamedLayers::read(size_t number) {
  const LayerLayout& layout = layouts_[number % layouts_.size()];
  for (const auto& source : layouts_[(number + 1) % layouts_.size()].sources())
    checkpoint::prefetch_pages(source.view);
  Slot& to = slot(number);
  to.tensors = layout.tensors_in(to.memory);
  if (device_.is_cpu()) {
    layout.fill(to.memory, precision_);
    return;
  }
  Staging& staging = staging_[number % staging_.size()];
  staging.copied.wait();
  layout.fill(staging.memory, precision_);
  to.released.block(copies_);
  const c10::StreamGuard guard(copies_);
  to.memory.narrow(0, 0, layout.bytes())
      .copy_(staging.memory.narrow(0, 0, layout.bytes()), /*non_blocking=*/true);
  staging.copied.record(copies_);
  to.uploaded.record(copies_);
}

const LayerTensors& StreamedLayers::use_next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return error_ || read_ > used_; });
  if (error_) std::rethrow_exception(error_);
  Slot& next = slot(used_++);
  next.uploaded.block(current_stream(device_));
  return next.tensors;
}

void StreamedLayers::release_oldest() {
  {
    const std::lock_guard lock(mutex_);
    QK_ASSERT(released_ < used_);
    slot(released_).released.record(current_stream(device_));
    ++released_;
  }
  changed_.notify_all();
}

}  // namespace qk::models
