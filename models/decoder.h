#pragma once
/// The one decoder: runs a family's table of facts over packed documents and shows queries and keys
/// to the tap.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "models/attention_tap.h"
#include "models/decoder_options.h"
#include "models/registry.h"

namespace qk::models {

/// Some documents side by side; none sees another.
struct PackedTokens {
  std::vector<int32_t> ids;  ///< all documents' tokens
  std::vector<int64_t> offsets = {
      0};  ///< documents + 1; document d is ids[offsets[d] .. offsets[d + 1])
};

/// What a pass takes on each GPU beside the weights.
struct PassMemory {
  int64_t bytes_per_token = 0;  ///< of all tokens of the pass
  int64_t fixed_bytes = 0;      ///< intermediates of the largest tile
};
PassMemory pass_memory(const DecoderSpec& spec, const DecoderOptions& options);

/// Whether the model's heads divide by the number of devices.
bool can_share_heads(const DecoderSpec& spec, size_t devices);

class Decoder {
 public:
  /// Throws CheckpointError (see load_weights); ConfigError where the model's heads can't be shared
  /// out to the devices. Takes as many devices as have layers with Split::Layers.
  static Decoder load(const std::filesystem::path& folder, ModelDescription model,
                      DecoderOptions options);
  Decoder(Decoder&&) noexcept;
  Decoder& operator=(Decoder&&) noexcept;
  ~Decoder();

  /// Runs one pass up to the last wanted layer; on GPUs queues it there. A document's vectors are
  /// the same bits whatever else is in the pass and however many threads or GPUs of a kind run it.
  /// Throws CheckpointError for a token id outside of the embedding. From several threads at once
  /// passes go through the devices of Split::Layers one behind the other, none overtaking.
  void prefill(const PackedTokens& tokens, AttentionTap& tap);

  const DecoderSpec& spec() const;
  /// As it was loaded.
  const DecoderOptions& options() const;
  const std::vector<at::Device>& devices() const { return options().devices; }

 private:
  class Pass;
  struct State;
  explicit Decoder(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace qk::models
