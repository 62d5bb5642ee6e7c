#pragma once
/// What a run computes: operations, weights, and how long this machine takes for them.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "models/attention_tap.h"
#include "models/decoder_options.h"
#include "models/family.h"
#include "sniffer/plan_documents.h"

namespace qk::sniffer {

struct Work {
  int64_t layers = 0;          ///< that are computed: up to the last wanted one
  double product_flops = 0;    ///< weights times activations
  double attention_flops = 0;  ///< scores and weighted values
  double flops() const { return product_flops + attention_flops; }
};

Work count_work(const models::DecoderSpec& spec, const std::vector<models::WantedLayer>& wanted,
                const DocumentCount& documents);

/// What the model does for a document, as a multiple of a single token's products. spec, wanted:
/// must outlive the function.
std::function<int64_t(int64_t tokens)> cost_of_tokens(
    const models::DecoderSpec& spec, const std::vector<models::WantedLayer>& wanted);

/// Of the embedding and the layers that are computed: what a device holds of them, of several the
/// one that holds most.
double weight_bytes(const models::DecoderSpec& spec, const models::DecoderOptions& options);

/// Of the activations of a pass with so many tokens, about.
double activation_bytes(const models::DecoderSpec& spec, int64_t tokens, int threads,
                        at::ScalarType dtype);

/// Operations per second of this machine.
struct Speed {
  double products = 0, attention = 0;
  double seconds(const Work& work) const {
    return work.product_flops / products + work.attention_flops / attention;
  }
};

/// Multiplies made-up activations and weights of the model's shapes, and attends over documents of
/// `tokens` tokens, for about half a second each, on all threads or the GPU.
Speed measure_speed(const models::DecoderSpec& spec, at::ScalarType dtype, at::Device device,
                    int64_t tokens);

}  // namespace qk::sniffer
