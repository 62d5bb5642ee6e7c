#pragma once
/// The tap: samples the queries and keys that the decoder shows and hands them on as blocks of
/// rows.
#include <atomic>
#include <functional>
#include <map>
#include <span>
#include <vector>

#include "models/attention_tap.h"
#include "saver/rows.h"
#include "sniffer/config.h"
#include "sniffer/sampling.h"

namespace qk::sniffer {

/// A document's place in the pass.
struct PassDocument {
  int64_t example_id = 0;        ///< full 64 bits
  std::span<const int32_t> ids;  ///< its tokens
};

class Sniffer final : public models::AttentionTap {
 public:
  /// Receives blocks of at most kBlockBytes, in the order in which the decoder shows them.
  using Sink = std::function<void(saver::RowBlock)>;
  static constexpr int64_t kBlockBytes = 64 << 20;

  /// stop: checked at each layer; when it is set, take() throws Interrupted.
  Sniffer(const CaptureConfig& capture, saver::CaptureLayout layout, Sink sink,
          const std::atomic<bool>* stop = nullptr);

  /// Before a pass. Spans must live until the pass ends.
  void begin_pass(std::vector<PassDocument> documents);

  void take(int64_t layer, models::Kind kind, const at::Tensor& vectors) override;

  /// Rows captured from each document of the pass so far, over all heads.
  const std::vector<int64_t>& rows_by_document() const { return rows_; }

 private:
  struct Selection;
  Selection select(const saver::LayerHeads& group);
  void emit(int32_t group, const Selection& rows, int64_t begin, int64_t end,
            const at::Tensor& vectors);

  saver::CaptureLayout layout_;
  std::map<std::pair<int64_t, char>, int32_t>
      group_of_;  // (layer, kind) -> index into layout_.groups
  PositionSampler sampler_;
  Sink sink_;
  const std::atomic<bool>* stop_;
  std::vector<PassDocument> documents_;
  std::vector<int64_t> rows_;
};

}  // namespace qk::sniffer
