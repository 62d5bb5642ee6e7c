#include "models/loader.h"

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <charconv>
#include <optional>
#include <sstream>

#include "base/error.h"
#include "models/layer_split.h"
#include "models/shared_layers.h"

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
      "config.json belongs to another model or the checkpoint is of a kind (quantised, adapter) "
      "that is not supported",
      folder.string(), count, model.model_type, fmt::join(unexpected, ", "),
      count > 5 ? ", ..." : "");
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

class Loader {
 public:
  Loader(const std::filesystem::path& folder, const ModelDescription& model,
         const DecoderOptions& options, at::Device device)
      : folder_(folder),
        model_(model),
        precision_(options.precision),
        device_(device),
        stored_layers_(options.stored_layers.value_or(std::ssize(model.spec.layers))),
        rows_(layer_tensors(*model.family, model.spec)),
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
    const at::Tensor stored = map_tensor(view);
    if (device_.is_cpu()) return stored;
    at::Tensor embedding = stored.to(device_).to(precision_.weights);
    checkpoint::drop_pages(view);
    return embedding;
  }

  /// Of the last layer only what leads to the wanted vectors.
  LayerLayout layout(size_t layer, bool last, const WantedLayer& wanted) const {
    std::vector<LayerLayout::Source> sources;
    for (const TensorRow& row : rows_) {
      if (!needed(row.role, last, wanted)) continue;
      const std::string name =
          prefix_ + layer_name(row.name, static_cast<int64_t>(layer) % stored_layers_);
      sources.push_back({.role = row.role,
                         .view = checked(name, row),
                         .type = is_norm(row.role) ? precision_.weights : precision_.products});
    }
    return {std::move(sources), /*joined=*/!device_.is_cpu()};
  }

  at::Tensor attention_norm(size_t layer) const {
    const TensorRow& row = *std::ranges::find(rows_, Role::AttentionNorm, &TensorRow::role);
    const std::string name =
        prefix_ + layer_name(row.name, static_cast<int64_t>(layer) % stored_layers_);
    return converted(map_tensor(checked(name, row)).to(device_), precision_, precision_.weights);
  }

  /// Of layers by themselves; numbers: theirs.
  std::unique_ptr<LayerStore> store(const std::vector<size_t>& numbers,
                                    std::vector<LayerLayout> layouts, WeightStore kind) const {
    if (kind == WeightStore::Streamed)
      return std::make_unique<StreamedLayers>(numbers, std::move(layouts), precision_, device_);
    std::vector<LayerTensors> layers(numbers.back() + 1);
    for (size_t n = 0; n < numbers.size(); ++n) layers[numbers[n]] = resident(layouts[n]);
    return std::make_unique<ResidentLayers>(std::move(layers));
  }

  Weights files() const { return files_; }

 private:
  LayerTensors resident(const LayerLayout& layout) const {
    if (device_.is_cpu()) return mapped(layout);
    const at::Tensor memory =
        at::empty({layout.bytes()}, at::TensorOptions(at::kByte).device(device_));
    layout.fill(memory, precision_);
    for (const LayerLayout::Source& source : layout.sources()) checkpoint::drop_pages(source.view);
    return layout.tensors_in(memory);
  }

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

  /// Views of the file where the type fits.
  LayerTensors mapped(const LayerLayout& layout) const {
    LayerTensors layer;
    for (const auto& [role, view, type] : layout.sources()) {
      layer[role] = map_tensor(view);
      if (layer[role].scalar_type() == type && type == precision_.weights) continue;
      layer[role] = converted(layer[role], precision_, type);
      checkpoint::drop_pages(view);
    }
    return layer;
  }

  std::filesystem::path folder_;
  const ModelDescription& model_;
  Precision precision_;
  at::Device device_;
  int64_t stored_layers_;
  std::vector<TensorRow> rows_;
  Weights files_;
  std::string prefix_;
};

/// Of a layer in the middle and of the last one, which has fewer.
std::vector<std::vector<int64_t>> product_shapes(const std::vector<LayerLayout>& layouts) {
  std::set<std::vector<int64_t>> shapes;
  for (const LayerLayout* layout : {&layouts.front(), &layouts.back()}) {
    for (const std::vector<int64_t>& shape : layout->tensor_shapes())
      if (shape.size() == 2) shapes.insert(shape);
  }
  return {shapes.begin(), shapes.end()};
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
  const size_t layers = computed_layers(wanted);
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

std::vector<DecoderWeights> load_weights(const std::filesystem::path& folder,
                                         const ModelDescription& model,
                                         const DecoderOptions& options) {
  const size_t count = computed_layers(options.wanted);
  QK_ASSERT(count > 0 && count <= model.spec.layers.size());
  const std::vector<std::vector<size_t>> split = layers_of_devices(model.spec, options);
  std::shared_ptr<const LayerShares> shares;
  std::vector<DecoderWeights> all;
  for (size_t d = 0; d < split.size(); ++d) {
    const Loader loader(folder, model, options, options.devices[d]);
    std::vector<LayerLayout> layouts;
    for (const size_t i : split[d])
      layouts.push_back(loader.layout(i, i + 1 == count, options.wanted[i]));
    if (options.store == WeightStore::Shared && shares == nullptr)
      shares = std::make_shared<LayerShares>(layouts, options.precision, options.devices);
    const bool first = split[d].front() == split.front().front();
    const bool last = split[d].back() == split.back().back();
    all.push_back({.files = loader.files(),
                   .embedding = first ? loader.embedding() : at::Tensor(),
                   .numbers = split[d],
                   .layers = nullptr,
                   .next_norm = last ? at::Tensor() : loader.attention_norm(split[d + 1].front()),
                   .product_shapes = product_shapes(layouts)});
    all.back().layers = shares != nullptr
                            ? std::make_unique<SharedLayers>(split[d], shares, d)
                            : loader.store(split[d], std::move(layouts), options.store);
  }
  return all;
}

}  // namespace qk::models
