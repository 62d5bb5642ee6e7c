#pragma once
/// The way of passes from the decoder to the writer.
#include <deque>
#include <optional>
#include <utility>

#include "models/attention_tap.h"
#include "sniffer/core.h"
#include "sniffer/pipeline_batch.h"
#include "sniffer/pipeline_tracks.h"

namespace qk::sniffer {

/// One pass after another; where there are several tracks, one at a time in each, and they take
/// turns at the writer.
class Track final : public models::AttentionTap {
 public:
  /// turns: null for a single track.
  Track(const CaptureConfig& capture, const saver::CaptureLayout& layout, Sniffer::Options options,
        Sniffer::Sink sink, Sniffer::PassDone pass_done, Turns* turns)
      : sniffer(capture, layout, std::move(options), std::move(sink), std::move(pass_done)),
        turns_(turns) {}

  std::optional<std::vector<int32_t>> rows_of_last_layer() override {
    return sniffer.rows_of_last_layer();
  }
  void take(int64_t layer, models::Kind kind, std::span<const at::Tensor> parts) override {
    enter();
    sniffer.take(layer, kind, parts);
  }

  /// No pass overtakes another in the decoder: the first to show something is ahead in all.
  void enter() {
    if (turns_ != nullptr && !turn_) turn_ = turns_->enter();
  }
  void wait() const {
    if (turn_) turns_->wait(*turn_);
  }
  void leave() {
    if (turn_) turns_->leave(*std::exchange(turn_, std::nullopt));
  }

  Sniffer sniffer;
  std::deque<Batch> in_flight;  // passes whose rows are not all handed on

 private:
  Turns* turns_;
  std::optional<int64_t> turn_;
};

}  // namespace qk::sniffer
