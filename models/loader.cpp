#include "models/loader.h"

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <charconv>
#include <optional>
#include <sstream>

#include "base/error.h"

namespace qk::models {
namespace {

using checkpoint::TensorView;
using checkpoint::Weights;

std::string layer_name(std::string_view pattern, int64_t layer) {
  std::string name(pattern);
  const size_t hole = name.find("{}");
  return hole == std::string::npos ? name : name.replace(hole, 2, std::to_string(layer));
}

/// What stands before "embed_tokens.weight" and "layers." in this checkpoint's tensor names.
std::string find_prefix(const std::vector<std::string>& names,
                        const std::filesystem::path& folder) {
  static const std::vector<std::string> kKnown = {"", "model.", "language_model.",
                                                  "language_model.model.", "model.language_model."};
  std::vector<std::string> found;
  for (const std::string& prefix : kKnown) {
    const std::string first_layer = prefix + "layers.0.";
    const bool has_layers = std::ranges::any_of(
        names, [&](const std::string& n) { return n.starts_with(first_layer); });
    if (has_layers) found.push_back(prefix);
  }
  if (found.size() == 1) return found.front();
  throw CheckpointError(
      "{}: {} a decoder's tensors (PREFIXlayers.0.*; known prefixes: '{}')", folder.string(),
      found.empty() ? "no tensor looks like" : "more than one set of tensors looks like",
      fmt::join(kKnown, "', '"));
}

int64_t dimension(std::string_view word, const DecoderSpec& spec) {
  if (word == "vocab") return spec.vocab;
  if (word == "hidden") return spec.hidden;
  if (word == "mlp") return spec.mlp;
  if (word == "2*mlp") return 2 * spec.mlp;
  if (word == "query") return spec.query_heads * spec.head_dim;
  if (word == "key") return spec.key_heads * spec.head_dim;
  if (word == "head_dim") return spec.head_dim;
  throw InternalError("unknown dimension '{}' in a family's table", word);
}

/// Whether `rest` (a name below "layers.N.") is a tensor that this model has, needed or not.
bool expected_in_layer(std::string_view rest, const std::vector<TensorRow>& rows) {
  if (rest.ends_with("rotary_emb.inv_freq")) return true;
  constexpr std::string_view kLayer = "layers.{}.";
  return std::ranges::any_of(
      rows, [&](const TensorRow& row) { return row.name.substr(kLayer.size()) == rest; });
}

/// Tensors below "layers." that the family's table does not know would mean another architecture
/// than config.json says.
void refuse_unexpected(const std::vector<std::string>& names, const std::string& prefix,
                       const ModelDescription& model, const std::filesystem::path& folder) {
  const std::vector<TensorRow> rows = layer_tensors(*model.family, model.spec);
  std::vector<std::string> unexpected;
  const std::string start = prefix + "layers.";
  for (const std::string& name : names) {
    if (!name.starts_with(start)) continue;
    const char* first = name.data() + start.size();
    int64_t layer = -1;
    const auto [end, status] = std::from_chars(first, name.data() + name.size(), layer);
    const bool numbered = status == std::errc() && end != name.data() + name.size() && *end == '.';
    const bool beyond = numbered && layer >= static_cast<int64_t>(model.spec.layers.size());
    if (beyond || (numbered && !model.spec.layers[static_cast<size_t>(layer)].attention)) continue;
    if (!numbered || !expected_in_layer(end + 1, rows)) unexpected.push_back(name);
  }
  if (unexpected.empty()) return;
  const size_t count = unexpected.size();
  unexpected.resize(std::min<size_t>(count, 5));
  throw CheckpointError(
      "{}: {} tensors that a '{}' model with this config.json does not have: {}{}. Either "
      "config.json belongs to another "
      "model or the checkpoint is of a kind (quantised, adapter) that is not supported",
      folder.string(), count, model.model_type, fmt::join(unexpected, ", "),
      count > 5 ? ", ..." : "");
}

at::ScalarType scalar_type(const TensorView& view) {
  switch (view.dtype) {
    case checkpoint::DType::F32:
      return at::kFloat;
    case checkpoint::DType::BF16:
      return at::kBFloat16;
    case checkpoint::DType::F16:
      return at::kHalf;
    case checkpoint::DType::F64:
      return at::kDouble;
    default:
      throw CheckpointError(
          "{}: {}: dtype {} is not supported for weights; use a float32, bfloat16 or float16 "
          "checkpoint",
          view.file.string(), view.name, checkpoint::name_of(view.dtype));
  }
}

/// A view of the mapped bytes; a copy only where they are not aligned for their dtype.
at::Tensor map_tensor(const TensorView& view) {
  const at::ScalarType type = scalar_type(view);
  auto* data = const_cast<std::byte*>(
      view.data);  // the mapping is read-only, and so is every use of the tensor
  if (reinterpret_cast<uintptr_t>(data) % at::elementSize(type) == 0)
    return at::from_blob(data, view.shape, type);
  at::Tensor copy = at::empty(view.shape, type);
  std::memcpy(copy.data_ptr(), data, static_cast<size_t>(view.bytes));
  return copy;
}

/// Norms are no products: autocast leaves their weights as they are.
bool is_norm(Role role) {
  switch (role) {
    case Role::AttentionNorm:
    case Role::QNorm:
    case Role::KNorm:
    case Role::AttentionOutputNorm:
    case Role::MlpNorm:
    case Role::MlpOutputNorm:
      return true;
    default:
      return false;
  }
}

class Loader {
 public:
  Loader(const std::filesystem::path& folder, const ModelDescription& model,
         const Precision& precision, at::Device device)
      : folder_(folder),
        model_(model),
        precision_(precision),
        device_(device),
        files_(Weights::open(folder)) {
    const std::vector<std::string> names = files_.names();
    prefix_ = find_prefix(names, folder);
    refuse_unexpected(names, prefix_, model, folder);
  }

  at::Tensor embedding() const {
    std::string name = prefix_ + std::string(kEmbeddingRow.name);
    for (const char* head : {"lm_head.weight", "language_model.lm_head.weight"}) {
      if (!files_.contains(name) && model_.spec.tied_embeddings && files_.contains(head))
        name = head;
    }
    const TensorView& view = checked(name, kEmbeddingRow);
    return device_.is_cpu() ? map_tensor(view) : convert(view, precision_.weights);
  }

  at::Tensor layer_tensor(const TensorRow& row, int64_t layer) const {
    const at::ScalarType type = is_norm(row.role) ? precision_.weights : precision_.products;
    return convert(checked(prefix_ + layer_name(row.name, layer), row), type);
  }

  Weights files() const { return files_; }

 private:
  const TensorView& checked(const std::string& name, const TensorRow& row) const {
    if (!files_.contains(name)) {
      throw CheckpointError(
          "{}: tensor {} is missing; the download is incomplete or config.json belongs to another "
          "model",
          folder_.string(), name);
    }
    const TensorView& view = files_.at(name);
    const std::vector<int64_t> expected = tensor_shape(row, model_.spec);
    if (view.shape != expected) {
      throw CheckpointError("{}: {}: shape [{}], but config.json says [{}]", view.file.string(),
                            name, fmt::join(view.shape, ", "), fmt::join(expected, ", "));
    }
    return view;
  }

  /// Rounded to the weights' type first, as upstream holds them.
  at::Tensor convert(const TensorView& view, at::ScalarType type) const {
    const at::Tensor mapped = map_tensor(view);
    const bool same = mapped.scalar_type() == type && type == precision_.weights;
    if (device_.is_cpu() && same) return mapped;
    at::Tensor converted = mapped.to(device_).to(precision_.weights).to(type);
    checkpoint::drop_pages(view);
    return converted;
  }

  std::filesystem::path folder_;
  const ModelDescription& model_;
  Precision precision_;
  at::Device device_;
  Weights files_;
  std::string prefix_;
};

/// Layers below the last wanted one run whole; in the last one only what leads to the wanted
/// vectors is needed.
bool needed(Role role, bool last, const WantedLayer& wanted) {
  switch (role) {
    case Role::AttentionNorm:
      return true;
    case Role::QProj:
    case Role::QBias:
    case Role::QNorm:
      return !last || wanted.queries;
    case Role::KProj:
    case Role::KBias:
    case Role::KNorm:
      return !last || wanted.keys;
    default:
      return !last;
  }
}

/// On a GPU, products of the same input are computed as one. The parts go.
void join(LayerTensors& layer, Role joined, std::initializer_list<Role> parts) {
  std::vector<at::Tensor> tensors;
  for (const Role part : parts) tensors.push_back(layer[part]);
  if (!std::ranges::all_of(tensors, [](const at::Tensor& x) { return x.defined(); })) return;
  layer.tensors[static_cast<size_t>(joined)] = at::cat(tensors);
  for (const Role part : parts) layer.tensors[static_cast<size_t>(part)].reset();
}

void join_products(LayerTensors& layer) {
  join(layer, Role::QkvProj, {Role::QProj, Role::KProj, Role::VProj});
  join(layer, Role::QkvBias, {Role::QBias, Role::KBias, Role::VBias});
  if (!layer[Role::GateBias].defined())
    join(layer, Role::GateUpProj, {Role::GateProj, Role::UpProj});
}

}  // namespace

std::vector<int64_t> tensor_shape(const TensorRow& row, const DecoderSpec& spec) {
  std::istringstream words{std::string(row.shape)};
  std::vector<int64_t> shape;
  for (std::string word; words >> word;) shape.push_back(dimension(word, spec));
  return shape;
}

NeededTensors::NeededTensors(const ModelDescription& model, const std::vector<WantedLayer>& wanted)
    : names_{std::string(kEmbeddingRow.name)} {
  if (model.spec.tied_embeddings) names_.insert("lm_head.weight");
  size_t layers = wanted.size();
  while (layers > 0 && !wanted[layers - 1].any()) --layers;
  for (const TensorRow& row : layer_tensors(*model.family, model.spec)) {
    for (size_t i = 0; i < layers; ++i) {
      if (needed(row.role, i + 1 == layers, wanted[i]))
        names_.insert(layer_name(row.name, static_cast<int64_t>(i)));
    }
  }
}

bool NeededTensors::operator()(std::string_view name) const {
  while (true) {
    if (names_.contains(name)) return true;
    const size_t dot = name.find('.');
    if (dot == std::string_view::npos) return false;
    name.remove_prefix(dot + 1);
  }
}

DecoderWeights load_weights(const std::filesystem::path& folder, const ModelDescription& model,
                            const std::vector<WantedLayer>& wanted, const Precision& precision,
                            at::Device device) {
  const Loader loader(folder, model, precision, device);
  size_t layers = wanted.size();
  while (layers > 0 && !wanted[layers - 1].any()) --layers;
  QK_ASSERT(layers > 0 && layers <= model.spec.layers.size());
  DecoderWeights weights{.files = loader.files(), .embedding = loader.embedding(), .layers = {}};
  weights.layers.resize(layers);
  const std::vector<TensorRow> rows = layer_tensors(*model.family, model.spec);
  for (size_t i = 0; i < layers; ++i) {
    if (!model.spec.layers[i].attention) continue;
    for (const TensorRow& row : rows) {
      if (!needed(row.role, i + 1 == layers, wanted[i])) continue;
      weights.layers[i].tensors[static_cast<size_t>(row.role)] =
          loader.layer_tensor(row, static_cast<int64_t>(i));
    }
    if (!device.is_cpu()) join_products(weights.layers[i]);
  }
  return weights;
}

}  // namespace qk::models
