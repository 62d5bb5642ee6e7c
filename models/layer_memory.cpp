#include "models/layer_memory.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace qk::models {
namespace {

using checkpoint::TensorView;

constexpr int64_t kAlignment = 256;

/// Tensors that a GPU's pass takes as one.
struct Joined {
  Role whole;
  std::vector<Role> parts;
};
const std::vector<Joined>& joined_roles() {
  static const std::vector<Joined> roles = {
      {Role::QkvProj, {Role::QProj, Role::KProj, Role::VProj}},
      {Role::QkvBias, {Role::QBias, Role::KBias, Role::VBias}},
      {Role::GateUpProj, {Role::GateProj, Role::UpProj}},
  };
  return roles;
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

int64_t bytes_of(const std::vector<int64_t>& shape, at::ScalarType type) {
  return c10::multiply_integers(shape) * static_cast<int64_t>(c10::elementSize(type));
}

at::Tensor view_of(const at::Tensor& memory, int64_t offset, const std::vector<int64_t>& shape,
                   at::ScalarType type) {
  return memory.narrow(0, offset, bytes_of(shape, type)).view(type).view(shape);
}

}  // namespace

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

at::Tensor converted(const at::Tensor& stored, const Precision& precision, at::ScalarType type) {
  return stored.to(precision.weights).to(type);
}

LayerLayout::LayerLayout(std::vector<Source> sources, bool joined)
    : sources_(std::move(sources)), offsets_(sources_.size()) {
  const auto find = [&](Role role) {
    return static_cast<size_t>(std::ranges::find(sources_, role, &Source::role) - sources_.begin());
  };
  const bool gate_bias = find(Role::GateBias) < sources_.size();
  std::vector<bool> placed(sources_.size());
  for (const auto& [whole, roles] : joined_roles()) {
    if (!joined || (whole == Role::GateUpProj && gate_bias)) continue;
    std::vector<size_t> parts;
    for (const Role role : roles) parts.push_back(find(role));
    if (std::ranges::any_of(parts, [&](size_t p) { return p == sources_.size(); })) continue;
    place(whole, parts);
    for (const size_t p : parts) placed[p] = true;
  }
  for (size_t i = 0; i < sources_.size(); ++i)
    if (!placed[i]) place(sources_[i].role, {i});
}

std::vector<std::vector<int64_t>> LayerLayout::tensor_shapes() const {
  std::vector<std::vector<int64_t>> shapes;
  for (const Placed& tensor : tensors_) shapes.push_back(tensor.shape);
  return shapes;
}

void LayerLayout::place(Role role, const std::vector<size_t>& parts) {
  bytes_ = (bytes_ + kAlignment - 1) / kAlignment * kAlignment;
  const Source& first = sources_[parts.front()];
  Placed tensor{.role = role, .shape = first.view.shape, .type = first.type, .offset = bytes_};
  tensor.shape[0] = 0;
  for (const size_t p : parts) {
    offsets_[p] = bytes_;
    tensor.shape[0] += sources_[p].view.shape[0];
    bytes_ += bytes_of(sources_[p].view.shape, sources_[p].type);
  }
  tensors_.push_back(std::move(tensor));
}

void LayerLayout::fill(const at::Tensor& memory, const Precision& precision) const {
  for (size_t i = 0; i < sources_.size(); ++i) {
    const Source& source = sources_[i];
    const at::Tensor stored = map_tensor(source.view);
    at::Tensor to = view_of(memory, offsets_[i], source.view.shape, source.type);
    const bool same = stored.scalar_type() == source.type && source.type == precision.weights;
    to.copy_(same ? stored : converted(stored.to(memory.device()), precision, source.type));
  }
}

LayerTensors LayerLayout::tensors_in(const at::Tensor& memory) const {
  LayerTensors layer;
  for (const Placed& tensor : tensors_)
    layer[tensor.role] = view_of(memory, tensor.offset, tensor.shape, tensor.type);
  return layer;
}

int64_t largest(const std::vector<LayerLayout>& layouts) {
  return std::ranges::max(layouts, {}, &LayerLayout::bytes).bytes();
}

}  // namespace qk::models
