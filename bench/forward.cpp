// The forward pass against its floor: the decoder over random tokens, without and with the
// production sampler, and the same matrix products and attention calls back to back. One JSON line.
//
//   qk_bench_forward MODEL_FOLDER --tokens 4096 --documents 16 --bucket 256
//
// One long document over two GPUs; "bits" are those of --parts 1:
//
//   qk_bench_forward MODEL_FOLDER --tokens 131072 --documents 1 --passes 3 --parts 2 --bits
//
// The same with --shared, where each GPU keeps a part of every layer, and with --layers-split,
// where each has some of the layers: passes are then queued ahead, and only many (--passes 20) keep
// all GPUs at work.
//
// bench/gpu.py makes the model folders.
#include <ATen/ATen.h>
#include <ATen/DeviceAccelerator.h>
#include <c10/core/Event.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <deque>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/stopwatch.h"
#include "kernels/attention.h"
#include "kernels/linear.h"
#include "models/decoder.h"
#include "models/tiles.h"
#include "sniffer/capture_plan.h"
#include "sniffer/core.h"
#include "sniffer/pipeline_batch.h"

namespace qk {
namespace {

struct Arguments {
  std::string folder, device = "cuda:0";
  int64_t tokens = 4096, documents = 16, bucket = 256, tile = 0;
  double seconds = 3;
  bool pass_only = false, stream = false, shared = false, layers_split = false, bits = false;
  int64_t layers = 0, passes = 0, parts = 1;
};

class NoTap : public models::AttentionTap {
 public:
  void take(int64_t, models::Kind, std::span<const at::Tensor>) override {}
};

/// Adds up the bits of everything, whatever part it is in.
class Checksum : public models::AttentionTap {
 public:
  void take(int64_t, models::Kind, std::span<const at::Tensor> parts) override {
    uint64_t layer = 0;
    for (const at::Tensor& vectors : parts)
      layer += at::sum(vectors.view(at::kShort), at::kLong).item().to<uint64_t>();
    sum = 31 * sum + layer;
  }
  uint64_t sum = 0;
};

/// Keeps what one document of the pass shows.
class Recorder : public models::AttentionTap {
 public:
  Recorder(int64_t begin, int64_t tokens) : begin_(begin), tokens_(tokens) {}
  void take(int64_t, models::Kind, std::span<const at::Tensor> parts) override {
    std::vector<at::Tensor> rows;
    for (const at::Tensor& part : parts) rows.push_back(part.to(parts[0].device()));
    seen.push_back(at::cat(rows).narrow(0, begin_, tokens_).clone());
  }
  std::vector<at::Tensor> seen;

 private:
  int64_t begin_, tokens_;
};

/// One for each part, from --device on over the GPUs in turn.
std::vector<at::Device> devices_of(const Arguments& arguments) {
  const at::Device first(arguments.device);
  if (first.is_cpu()) return std::vector<at::Device>(static_cast<size_t>(arguments.parts), first);
  std::vector<at::Device> devices;
  for (int64_t p = 0; p < arguments.parts; ++p) {
    const int64_t index = (first.index() + p) % at::accelerator::deviceCount();
    devices.emplace_back(first.type(), static_cast<c10::DeviceIndex>(index));
  }
  return devices;
}

/// Peak of the memory that tensors took on a GPU, the fullest one; 0 on a CPU.
double peak_gb(const std::vector<at::Device>& devices) {
  double peak = 0;
  for (const at::Device device : devices) {
    if (device.is_cpu()) continue;
    const auto stats = at::accelerator::getDeviceStats(device.index());
    peak = std::max(peak, static_cast<double>(stats.allocated_bytes[0].peak) / 1e9);
  }
  return peak;
}

void wait(const std::vector<at::Device>& devices) {
  for (const at::Device device : devices)
    if (!device.is_cpu()) at::accelerator::synchronizeDevice(device.index());
}

/// Tokens per second of `pass`, which takes `tokens`, repeated for at least `seconds`, at most two
/// passes queued at a time.
template <typename Pass>
double rate(const Arguments& arguments, const std::vector<at::Device>& devices, int64_t tokens,
            const Pass& pass) {
  const at::Device device = devices.front();
  pass();
  wait(devices);
  const Stopwatch watch;
  int64_t done = 0;
  std::deque<c10::Event> ends;
  while (watch.seconds() < arguments.seconds) {
    pass();
    done += tokens;
    if (device.is_cpu()) continue;
    ends.emplace_back(device.type());
    ends.back().record(c10::impl::VirtualGuardImpl(device.type()).getStream(device));
    if (ends.size() < 2) continue;
    ends.front().synchronize();
    ends.pop_front();
  }
  wait(devices);
  return static_cast<double>(done) / watch.seconds();
}

/// Where a pass ends.
class LastDevice : public models::AttentionTap {
 public:
  void take(int64_t, models::Kind, std::span<const at::Tensor> parts) override {
    device = parts[0].device();
  }
  at::Device device = at::kCPU;
};

/// Runs the passes, several at a time where each GPU has its own layers: as a capture does it, by a
/// thread for each.
void run_passes(models::Decoder& decoder, const models::PackedTokens& tokens, int64_t passes) {
  if (decoder.options().split == models::Split::Heads) {
    NoTap no_tap;
    for (int64_t i = 0; i < passes; ++i) decoder.prefill(tokens, no_tap);
    return;
  }
  std::atomic<int64_t> left = passes;
  std::vector<std::thread> threads;
  for (size_t t = 0; t < decoder.devices().size() + 2; ++t) {
    threads.emplace_back([&] {
      while (--left >= 0) {
        LastDevice last;
        decoder.prefill(tokens, last);
        if (last.device.is_cpu()) continue;
        c10::Event end(last.device.type());
        end.record(c10::impl::VirtualGuardImpl(last.device.type()).getStream(last.device));
        end.synchronize();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

models::PackedTokens random_tokens(const Arguments& arguments, int64_t vocab) {
  models::PackedTokens tokens;
  const int64_t count = arguments.tokens * arguments.documents;
  const at::Tensor ids = at::randint(vocab, {count}, at::kInt);
  tokens.ids.assign(ids.const_data_ptr<int32_t>(), ids.const_data_ptr<int32_t>() + count);
  for (int64_t d = 1; d <= arguments.documents; ++d) tokens.offsets.push_back(d * arguments.tokens);
  return tokens;
}

/// Whether the middle document of the pass shows the same bits as it does by itself.
bool same_bits_alone(models::Decoder& decoder, const models::PackedTokens& tokens) {
  const size_t middle = (tokens.offsets.size() - 1) / 2;
  const int64_t begin = tokens.offsets[middle], length = tokens.offsets[middle + 1] - begin;
  models::PackedTokens alone;
  alone.ids.assign(tokens.ids.begin() + begin, tokens.ids.begin() + begin + length);
  alone.offsets.push_back(length);
  Recorder together(begin, length), by_itself(0, length);
  decoder.prefill(tokens, together);
  decoder.prefill(alone, by_itself);
  return std::equal(together.seen.begin(), together.seen.end(), by_itself.seen.begin(),
                    [](const at::Tensor& a, const at::Tensor& b) { return at::equal(a, b); });
}

/// One layer's products and attention, on memory of their own: weights of several layers in turn,
/// so that no cache holds them.
class Floor {
 public:
  Floor(const models::DecoderSpec& spec, const models::PackedTokens& tokens, at::Device device,
        int64_t tile)
      : spec_(spec), tiles_(models::cut_rows(tokens.offsets.back(), {tile})) {
    const auto options = at::TensorOptions(at::kBFloat16).device(device);
    const int64_t q = spec.query_heads * spec.head_dim, k = spec.key_heads * spec.head_dim;
    rows_ = std::max(tiles_.back().begin + tile, kernels::attention_rows(tokens.offsets, device));
    for (int i = 0; i < 4; ++i) {
      weights_.push_back({at::randn({q + 2 * k, spec.hidden}, options),
                          at::randn({spec.hidden, q}, options),
                          at::randn({2 * spec.mlp, spec.hidden}, options),
                          at::randn({spec.hidden, spec.mlp}, options)});
    }
    hidden_ = at::randn({rows_, spec.hidden}, options);
    qkv_ = at::randn({rows_, q + 2 * k}, options);
    attended_ = at::randn({rows_, q}, options);
    wide_ = at::randn({tile, 2 * spec.mlp}, options);
    mlp_ = at::randn({tile, spec.mlp}, options);
    out_ = at::empty({tile, spec.hidden}, options);
    documents_.offsets = tokens.offsets;
    documents_.device_offsets = at::tensor(tokens.offsets, at::kLong).to(at::kInt).to(device);
  }

  void products() {
    for (size_t layer = 0; layer + 1 < spec_.layers.size(); ++layer) {
      const auto& w = weights_[layer % weights_.size()];
      for (const models::Tile& tile : tiles_) {
        const auto part = [&](const at::Tensor& x) { return x.narrow(0, tile.begin, tile.tokens); };
        kernels::linear_out(part(qkv_), part(hidden_), w[0], {});
        kernels::linear_out(out_, part(attended_), w[1], {});
        kernels::linear_out(wide_, part(hidden_), w[2], {});
        kernels::linear_out(out_, mlp_, w[3], {});
      }
    }
  }

  void attention() {
    const int64_t q = spec_.query_heads * spec_.head_dim, k = spec_.key_heads * spec_.head_dim;
    const auto parts = qkv_.split_with_sizes({q, k, k}, 1);
    const auto heads = [&](const at::Tensor& x) { return x.unflatten(1, {-1, spec_.head_dim}); };
    for (size_t layer = 0; layer + 1 < spec_.layers.size(); ++layer) {
      kernels::causal_attention(heads(parts[0]), heads(parts[1]), heads(parts[2]), documents_,
                                {spec_.score_scale, spec_.layers[layer].window});
    }
  }

 private:
  const models::DecoderSpec& spec_;
  std::vector<models::Tile> tiles_;
  int64_t rows_ = 0;
  std::vector<std::array<at::Tensor, 4>> weights_;
  at::Tensor hidden_, qkv_, attended_, wide_, mlp_, out_;
  kernels::Documents documents_;
};

sniffer::CaptureConfig production(const Arguments& arguments) {
  sniffer::CaptureConfig capture;
  capture.sampler = {.type = sniffer::SamplerType::Uniform, .base_rate = 1.0};
  capture.min_bucket_size = arguments.bucket;
  return capture;
}

void run(const Arguments& arguments) {
  const c10::InferenceMode inference;
  const std::vector<at::Device> devices = devices_of(arguments);
  at::manual_seed(1);
  auto model = models::describe_model(arguments.folder, nullptr);
  const auto stored_layers = static_cast<int64_t>(model.spec.layers.size());
  for (int64_t i = stored_layers; i < arguments.layers; ++i)
    model.spec.layers.push_back(model.spec.layers[static_cast<size_t>(i % stored_layers)]);
  const models::DecoderSpec spec = model.spec;
  sniffer::CaptureConfig capture = production(arguments);
  const auto plan = plan_capture(capture, spec, at::kBFloat16);
  auto decoder = models::Decoder::load(
      arguments.folder, model,
      {.precision = at::kBFloat16,
       .devices = devices,
       .split = arguments.layers_split ? models::Split::Layers : models::Split::Heads,
       .wanted = plan.wanted,
       .store = arguments.stream   ? models::WeightStore::Streamed
                : arguments.shared ? models::WeightStore::Shared
                                   : models::WeightStore::Resident,
       .tile_rows = arguments.tile > 0 ? std::optional(arguments.tile) : std::nullopt,
       .stored_layers = stored_layers});
  const auto tokens = random_tokens(arguments, spec.vocab);
  const int64_t count = tokens.offsets.back();

  NoTap no_tap;
  if (arguments.passes > 0) {
    Arguments first = arguments;
    first.tokens = 4096, first.documents = 1;
    decoder.prefill(random_tokens(first, spec.vocab), no_tap);
    Checksum checksum;
    if (arguments.bits) decoder.prefill(tokens, checksum);
    wait(devices);
    const Stopwatch watch;
    run_passes(decoder, tokens, arguments.passes);
    wait(devices);
    const double rate = static_cast<double>(arguments.passes * count) / watch.seconds();
    const nlohmann::ordered_json line = {{"layers", spec.layers.size()},
                                         {"tokens", count},
                                         {"parts", arguments.parts},
                                         {"streamed", arguments.stream},
                                         {"shared", arguments.shared},
                                         {"layers_split", arguments.layers_split},
                                         {"forward", rate},
                                         {"bits", fmt::format("{:016x}", checksum.sum)},
                                         {"peak_gb", peak_gb(devices)}};
    fmt::print("{}\n", line.dump());
    return;
  }
  if (arguments.pass_only) {
    const Stopwatch watch;
    decoder.prefill(tokens, no_tap);
    wait(devices);
    fmt::print("{} tokens in {:.2f} s, {:.1f} GB\n", count, watch.seconds(), peak_gb(devices));
    return;
  }
  const bool same_bits = same_bits_alone(decoder, tokens);
  const double without = rate(arguments, devices, count, [&] { decoder.prefill(tokens, no_tap); });

  int64_t rows = 0;
  sniffer::Sniffer sniffer(
      capture, plan.layout, {.devices = devices, .stop = nullptr}, [](saver::RowBlock, size_t) {},
      [&](const std::vector<int64_t>& by_document) {
        for (const int64_t r : by_document) rows += r;
      });
  std::vector<sniffer::PassDocument> documents;
  const std::vector<size_t> units = sniffer::divide_into_units(tokens.offsets, 4);  // as in a run
  for (int64_t d = 0; d < arguments.documents; ++d) {
    documents.push_back({d,
                         std::span(tokens.ids)
                             .subspan(static_cast<size_t>(d * arguments.tokens),
                                      static_cast<size_t>(arguments.tokens)),
                         units[static_cast<size_t>(d)]});
  }
  const double with = rate(arguments, devices, count, [&] {
    sniffer.begin_pass(documents);
    decoder.prefill(tokens, sniffer);
    sniffer.end_pass();
    sniffer.finish_passes(1);
  });
  sniffer.finish_passes();

  Floor floor(spec, tokens, devices[0], arguments.tile > 0 ? arguments.tile : 8192);
  const double products = rate(arguments, devices, count, [&] { floor.products(); });
  const double attention = rate(arguments, devices, count, [&] { floor.attention(); });
  const double floor_rate = 1 / (1 / products + 1 / attention);
  const nlohmann::ordered_json line = {{"model", arguments.folder},
                                       {"layers", spec.layers.size()},
                                       {"tokens", arguments.tokens},
                                       {"documents", arguments.documents},
                                       {"tile", arguments.tile},
                                       {"forward", without},
                                       {"forward_sampling", with},
                                       {"rows", rows},
                                       {"products_only", products},
                                       {"attention_only", attention},
                                       {"floor", floor_rate},
                                       {"of_floor", without / floor_rate},
                                       {"sampling_cost", without / with - 1},
                                       {"same_bits_alone", same_bits}};
  fmt::print("{}\n", line.dump());
}

}  // namespace
}  // namespace qk

int main(int argc, char** argv) {
  CLI::App app("Times the forward pass, sampling, and the kernels alone.");
  qk::Arguments arguments;
  app.add_option("folder", arguments.folder)->required();
  app.add_option("--device", arguments.device);
  app.add_option("--tokens", arguments.tokens);
  app.add_option("--documents", arguments.documents);
  app.add_option("--bucket", arguments.bucket);
  app.add_option("--tile", arguments.tile);
  app.add_option("--seconds", arguments.seconds);
  app.add_flag("--stream", arguments.stream, "Weights go through the device layer by layer");
  app.add_option("--layers", arguments.layers, "More than the checkpoint has: its layers repeat");
  app.add_option("--parts", arguments.parts,
                 "GPUs that share each pass, from --device on, in turn");
  app.add_flag("--shared", arguments.shared, "Each GPU keeps a part of every layer's weights");
  app.add_flag("--layers-split", arguments.layers_split, "Each GPU has some of the layers");
  app.add_flag("--bits", arguments.bits, "With --passes: adds up the bits of all vectors once");
  app.add_option("--passes", arguments.passes, "Time this many passes, and nothing else");
  app.add_flag("--pass-only", arguments.pass_only, "One pass and nothing else, for a profiler");
  CLI11_PARSE(app, argc, argv);
  qk::run(arguments);
}
