#pragma once
/// Checkpoint -> tensors, after every name and shape has been checked against the family's table.
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/safetensors.h"
#include "models/attention_tap.h"
#include "models/decoder_options.h"
#include "models/layer_store.h"
#include "models/registry.h"

namespace qk::models {

/// What one device has of the weights of the embedding and of the layers up to the last wanted one;
/// in that layer only what the wanted projections need. On a CPU, tensors whose stored dtype fits
/// are views of the mapped files; on a GPU, products of the same input are one tensor
/// (Role::QkvProj, Role::GateUpProj).
struct DecoderWeights {
  checkpoint::Weights files;  ///< keeps the mappings alive
  at::Tensor embedding;  ///< stored dtype on a CPU (rows are converted as they are read), else the
                         ///< dtype of the weights; undefined where another device has layer 0
  std::vector<size_t> numbers;  ///< of the layers, ascending: those that attend
  std::unique_ptr<LayerStore> layers;
  at::Tensor next_norm;  ///< AttentionNorm of the layer above them, where another device has it
  std::vector<std::vector<int64_t>> product_shapes;  ///< on a GPU: each [features, in] of a pass
};

/// The embedding, the one tensor outside of the layers that is needed.
constexpr TensorRow kEmbeddingRow{Role::Embedding, "embed_tokens.weight", "vocab hidden"};

/// The shape that a row of a family's table means for this model.
std::vector<int64_t> tensor_shape(const TensorRow& row, const DecoderSpec& spec);

/// Whether the wanted vectors depend on a tensor of the checkpoint; its name with any prefix. What
/// is only possibly needed (a tied head that may stand in for the embedding) counts.
class NeededTensors {
 public:
  NeededTensors(const ModelDescription& model, const std::vector<WantedLayer>& wanted);
  bool operator()(std::string_view name) const;

 private:
  std::set<std::string, std::less<>> names_;  // below the decoder's prefix
};

/// For each of layers_of_devices(). Throws CheckpointError naming the tensor: missing, unexpected,
/// wrong shape, dtype that is no plain float.
std::vector<DecoderWeights> load_weights(const std::filesystem::path& folder,
                                         const ModelDescription& model,
                                         const DecoderOptions& options);

}  // namespace qk::models
