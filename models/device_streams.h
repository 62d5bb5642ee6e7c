#pragma once
/// Streams and events of whatever kind of device computes. A CPU has one stream, where everything
/// is done at once.
#include <c10/core/Event.h>
#include <c10/core/Stream.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <array>
#include <optional>

namespace qk::models {

/// Where a device's computations are queued.
inline c10::Stream current_stream(at::Device device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStream(device);
}

/// One beside the computations.
inline c10::Stream side_stream(at::Device device) {
  if (device.is_cpu()) return current_stream(device);
  return c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
}

/// An event that is recorded again and again, on streams of one device.
class Signal {
 public:
  void record(const c10::Stream& stream) {
    if (stream.device_type() == at::kCPU) return;
    if (!event_) event_.emplace(stream.device_type());
    event_->record(stream);
  }
  /// The stream goes on once what was recorded last is done, if anything was.
  void block(const c10::Stream& stream) const {
    if (event_) event_->block(stream);
  }
  /// The host does.
  void wait() const {
    if (event_) event_->synchronize();
  }

 private:
  std::optional<c10::Event> event_;
};

/// For copies from one device to another beside what they compute. ATen makes the current streams
/// of both devices wait for one another: while a copy is queued these are current.
class CopyStreams {
 public:
  CopyStreams(at::Device from, at::Device to)
      : to(side_stream(to)), from(from == to ? this->to : side_stream(from)) {}

  const c10::Stream to, from;  ///< where the copy arrives, and where it runs; one within a device

  template <typename Copy>
  void queue(const Copy& copy) const {
    const std::array<c10::Stream, 2> both = {to, from};
    const c10::MultiStreamGuard guard(c10::ArrayRef(both.data(), to == from ? 1 : 2));
    copy();
  }
};

}  // namespace qk::models
