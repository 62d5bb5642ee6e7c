#include "sniffer/plan_work.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/stopwatch.h"
#include "kernels/linear.h"
#include "models/layer_split.h"
#include "models/shared_layers.h"

namespace qk::sniffer {
namespace {

constexpr double kSeconds = 0.5;  // of each measurement
constexpr int64_t kTileOnCpu = 512, kTileOnGpu = 8192;

double query_width(const models::DecoderSpec& spec) {
  return static_cast<double>(spec.query_heads * spec.head_dim);
}

double key_width(const models::DecoderSpec& spec) {
  return static_cast<double>(spec.key_heads * spec.head_dim);
}

/// Values of the weights of a layer that attends.
double layer_weights(const models::DecoderSpec& spec) {
  const auto hidden = static_cast<double>(spec.hidden);
  return hidden * (2 * query_width(spec) + 2 * key_width(spec)) +
         3 * hidden * static_cast<double>(spec.mlp);
}

/// (query, key) pairs that a document's queries see.
double pairs(double tokens, std::optional<int64_t> window) {
  const double seen = window ? std::min(tokens, static_cast<double>(*window)) : tokens;
  return seen * (seen + 1) / 2 + (tokens - seen) * seen;
}

/// Calls `step` for about kSeconds and returns calls per second. The first call isn't counted.
template <typename Step>
double rate(const Step& step) {
  step();
  const Stopwatch watch;
  int64_t calls = 0;
  do {
    step();
    ++calls;
  } while (watch.seconds() < kSeconds);
  return static_cast<double>(calls) / watch.seconds();
}

/// Waits until a GPU is done.
void finish(const at::Tensor& result) { result.flatten().narrow(0, 0, 1).cpu(); }

/// MLP products and the activation between them, on one thread or the GPU.
class MlpStep {
 public:
  MlpStep(const models::DecoderSpec& spec, at::TensorOptions options, int64_t tile)
      : x_(at::randn({tile, spec.hidden}, options)),
        out_(at::empty({tile, spec.hidden}, options)),
        gate_(at::empty({tile, spec.mlp}, options)),
        up_(at::empty({tile, spec.mlp}, options)),
        in_weight_(at::randn({spec.mlp, spec.hidden}, options)),
        out_weight_(at::randn({spec.hidden, spec.mlp}, options)) {}

  void operator()() const {
    kernels::linear_out(gate_, x_, in_weight_, {});
    kernels::linear_out(up_, x_, in_weight_, {});
    kernels::linear_out(out_, at::silu(gate_).mul_(up_), out_weight_, {});
  }

  double flops() const {
    return 6.0 * static_cast<double>(x_.numel()) * static_cast<double>(gate_.size(1));
  }
  const at::Tensor& result() const { return out_; }

 private:
  at::Tensor x_, out_, gate_, up_, in_weight_, out_weight_;
};

double product_speed(const models::DecoderSpec& spec, at::TensorOptions options) {
  if (!options.device().is_cpu()) {
    const MlpStep step(spec, options, kTileOnGpu);
    return step.flops() * rate([&] {
             step();
             finish(step.result());
           });
  }
  const int threads = at::get_num_threads();
  std::vector<MlpStep> steps;
  for (int i = 0; i < threads; ++i) steps.emplace_back(spec, options, kTileOnCpu);
  return steps.front().flops() * threads * rate([&] {
           at::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
             const c10::InferenceMode inference;
             for (int64_t i = begin; i < end; ++i) steps[static_cast<size_t>(i)]();
           });
         });
}

double attention_speed(const models::DecoderSpec& spec, at::TensorOptions options, int64_t tokens) {
  const at::Tensor q = at::randn({1, spec.query_heads, tokens, spec.head_dim}, options);
  const at::Tensor k = at::randn({1, spec.query_heads, tokens, spec.head_dim}, options);
  const double flops = 4 * pairs(static_cast<double>(tokens), {}) * query_width(spec);
  return flops * rate([&] {
           finish(at::scaled_dot_product_attention(q, k, k, {}, 0.0, /*is_causal=*/true));
         });
}

}  // namespace

Work count_work(const models::DecoderSpec& spec, const std::vector<models::WantedLayer>& wanted,
                const DocumentCount& documents) {
  Work work{.layers = static_cast<int64_t>(models::computed_layers(wanted))};
  for (int64_t i = 0; i < work.layers; ++i) {
    const models::Layer& layer = spec.layers[static_cast<size_t>(i)];
    if (!layer.attention) continue;
    if (i + 1 == work.layers) {  // only the projections that are wanted
      const models::WantedLayer& last = wanted[static_cast<size_t>(i)];
      const double width =
          (last.queries ? query_width(spec) : 0) + (last.keys ? key_width(spec) : 0);
      work.product_flops += 2 * documents.tokens * static_cast<double>(spec.hidden) * width;
      break;
    }
    work.product_flops += 2 * documents.tokens * layer_weights(spec);
    for (const CountedDocument& document : documents.documents) {
      work.attention_flops +=
          4 * query_width(spec) * document.weight * pairs(document.tokens, layer.window);
    }
  }
  return work;
}

std::function<int64_t(int64_t)> cost_of_tokens(const models::DecoderSpec& spec,
                                               const std::vector<models::WantedLayer>& wanted) {
  const auto work = [&spec, &wanted](int64_t tokens) {
    const auto most = std::numeric_limits<int32_t>::max();
    DocumentCount one;
    one.documents.push_back({.tokens = static_cast<int32_t>(std::min<int64_t>(tokens, most))});
    one.tokens = static_cast<double>(tokens);
    return count_work(spec, wanted, one);
  };
  const double token = work(1).product_flops;
  return [work, token](int64_t tokens) { return std::llround(work(tokens).flops() / token); };
}

double weight_bytes(const models::DecoderSpec& spec, const models::DecoderOptions& options) {
  const std::vector<std::vector<size_t>> layers = models::layers_of_devices(spec, options);
  double most = 0;
  for (const std::vector<size_t>& own : layers) {
    const auto all = static_cast<double>(own.size());
    double held = all;
    if (options.store == models::WeightStore::Streamed)
      held = std::min(all, static_cast<double>(models::StreamedLayers::kOnDevice));
    if (options.store == models::WeightStore::Shared)
      held = all / static_cast<double>(layers.size()) + models::SharedLayers::kOnDevice;
    const bool first = own.front() == layers.front().front();
    most = std::max(most, held * layer_weights(spec) +
                              (first ? static_cast<double>(spec.vocab * spec.hidden) : 0));
  }
  return most * static_cast<double>(c10::elementSize(options.precision.products));
}

double activation_bytes(const models::DecoderSpec& spec, int64_t tokens, int threads,
                        at::ScalarType dtype) {
  const auto size = static_cast<double>(c10::elementSize(dtype));
  const double rows =
      static_cast<double>(spec.hidden) + 3 * query_width(spec) + 2 * key_width(spec);
  const double tile = 4 * static_cast<double>(spec.mlp) + 4 * static_cast<double>(spec.hidden);
  return size * (static_cast<double>(tokens) * rows +
                 static_cast<double>(threads) * static_cast<double>(kTileOnCpu) * tile);
}

Speed measure_speed(const models::DecoderSpec& spec, at::ScalarType dtype, at::Device device,
                    int64_t tokens) {
  const c10::InferenceMode inference;
  const auto options = at::TensorOptions(dtype).device(device);
  return {.products = product_speed(spec, options),
          .attention = attention_speed(spec, options, std::clamp<int64_t>(tokens, 64, 4096))};
}

}  // namespace qk::sniffer
