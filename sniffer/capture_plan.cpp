#include "sniffer/capture_plan.h"

#include "base/error.h"

namespace qk::sniffer {
namespace {

saver::VectorType vector_type(at::ScalarType type) {
  switch (type) {
    case at::kBFloat16:
      return saver::VectorType::BFloat16;
    case at::kHalf:
      return saver::VectorType::Float16;
    default:
      QK_ASSERT(type == at::kFloat);
      return saver::VectorType::Float32;
  }
}

}  // namespace

std::vector<LayerInfo> layer_infos(const models::DecoderSpec& spec) {
  std::vector<LayerInfo> infos;
  for (const models::Layer& layer : spec.layers) {
    infos.push_back({.query_heads = spec.query_heads,
                     .key_heads = spec.key_heads,
                     .sliding_window = layer.window,
                     .samples_as_full = layer.samples_as_full,
                     .has_attention = layer.attention});
  }
  return infos;
}

CapturePlan plan_capture(const CaptureConfig& capture, const models::DecoderSpec& spec,
                         at::ScalarType vectors) {
  CapturePlan plan;
  plan.layout.head_dim = spec.head_dim;
  plan.layout.vector_type = vector_type(vectors);
  plan.layout.token_strings = capture.capture_token_strings;
  plan.wanted.resize(spec.layers.size());
  for (const SelectedLayer& selected : select_heads(capture, layer_infos(spec))) {
    const std::optional<int64_t> window = spec.layers[static_cast<size_t>(selected.layer)].window;
    const auto add = [&](char kind, const std::vector<int64_t>& heads) {
      if (heads.empty()) return;
      plan.layout.groups.push_back({.layer = static_cast<int32_t>(selected.layer),
                                    .kind = kind,
                                    .heads = {heads.begin(), heads.end()},
                                    .sliding_window = window});
    };
    add('q', selected.query_heads);
    add('k', selected.key_heads);
    plan.wanted[static_cast<size_t>(selected.layer)] = {.queries = !selected.query_heads.empty(),
                                                        .keys = !selected.key_heads.empty()};
  }
  return plan;
}

}  // namespace qk::sniffer
