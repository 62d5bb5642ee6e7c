#pragma once
/// The tap: samples the queries and keys that the decoder shows and hands them on as blocks of
/// rows.
#include <ATen/core/Tensor.h>

#include <atomic>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "models/attention_tap.h"
#include "saver/rows.h"
#include "sniffer/config.h"
#include "sniffer/row_stage.h"
#include "sniffer/sampling.h"

namespace qk::sniffer {

/// A document's place in the pass.
struct PassDocument {
  int64_t example_id = 0;        ///< full 64 bits
  std::span<const int32_t> ids;  ///< its tokens
  size_t unit = 0;               ///< of the pass; ascending from 0, none left out
};

/// Positions are drawn before a pass starts, so that nothing in it waits for the host. On a GPU the
/// rows of a pass leave while the next one runs: they arrive with finish_passes().
class Sniffer final : public models::AttentionTap {
 public:
  /// Receives blocks of at most RowStage::kBlockBytes, pass by pass, those of a group in the order
  /// of its rows. The rows of a block are of one unit.
  using Sink = RowStage::Sink;
  /// After the last block of a pass: the rows captured from each of its documents, over all heads.
  using PassDone = RowStage::PassDone;

  struct Options {
    /// Of the decoder; rows of several parts leave from the first, those of one from where it is.
    std::vector<at::Device> devices = {at::kCPU};
    int64_t stage_bytes = 256 << 20;  ///< of rows on their way from a GPU, at most
    const std::atomic<bool>* stop =
        nullptr;  ///< checked at each layer; set: take() throws Interrupted
  };

  Sniffer(const CaptureConfig& capture, saver::CaptureLayout layout, Options options, Sink sink,
          PassDone pass_done);
  ~Sniffer() override;

  /// Before a pass.
  void begin_pass(const std::vector<PassDocument>& documents);
  /// On a GPU. On a CPU a row's bits would depend on how many there are.
  std::optional<std::vector<int32_t>> rows_of_last_layer() override { return last_rows_; }
  void take(int64_t layer, models::Kind kind, std::span<const at::Tensor> parts) override;
  /// After a pass that was shown whole.
  void end_pass();

  /// Hands on what is left of ended passes, but for the newest `keep`.
  void finish_passes(size_t keep = 0);

  /// Forgets a pass that failed. False if some of its rows were handed on already.
  bool drop_pass();

 private:
  struct Selection;
  Selection select(const saver::LayerHeads& group,
                   const std::vector<PassDocument>& documents) const;
  void narrow_last_layer(int64_t tokens);
  int64_t bytes_per_row(size_t group) const;
  void emit(size_t group, size_t unit, int64_t begin, int64_t end,
            std::span<const at::Tensor> parts);
  void gather(at::Tensor out, size_t group, int64_t begin, std::span<const at::Tensor> parts) const;

  saver::CaptureLayout layout_;
  std::map<std::pair<int64_t, char>, size_t> group_of_;  // (layer, kind) -> of layout_.groups
  PositionSampler sampler_;
  Options options_;
  RowStage stage_;
  std::vector<std::vector<at::Tensor>> heads_;  // by device and group, int32 there
  std::vector<Selection> selections_;           // of the pass, by group
  std::optional<std::vector<int32_t>> last_rows_;
  std::vector<int64_t> first_row_of_;  // of a group in row_index_
  at::Tensor row_index_;               // of all groups, int32 on the only device
  std::vector<int64_t> rows_;          // by document of the pass
};

}  // namespace qk::sniffer
