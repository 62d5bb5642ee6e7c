#pragma once
/// The weights of a layer in one piece of memory: how they lie there, and how they get there.
#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <vector>

#include "checkpoint/safetensors.h"
#include "models/family.h"
#include "models/precision.h"

namespace qk::models {

struct LayerTensors {
  std::array<at::Tensor, kRoles> tensors;
  const at::Tensor& operator[](Role role) const { return tensors[static_cast<size_t>(role)]; }
  at::Tensor& operator[](Role role) { return tensors[static_cast<size_t>(role)]; }
};

/// A tensor of the checkpoint as it lies in the mapped file: a view; a copy only where it is not
/// aligned for its dtype. Throws CheckpointError for a dtype that is no plain float.
at::Tensor map_tensor(const checkpoint::TensorView& view);

/// Rounded to the weights' type first, as upstream holds them.
at::Tensor converted(const at::Tensor& stored, const Precision& precision, at::ScalarType type);

class LayerLayout {
 public:
  struct Source {
    Role role = Role::AttentionNorm;
    checkpoint::TensorView view;
    at::ScalarType type = at::kFloat;  ///< in memory
  };

  LayerLayout() = default;
  /// joined: products of the same input lie behind one another and are one tensor (Role::QkvProj,
  /// Role::GateUpProj).
  LayerLayout(std::vector<Source> sources, bool joined);

  int64_t bytes() const { return bytes_; }
  const std::vector<Source>& sources() const { return sources_; }
  std::vector<std::vector<int64_t>> tensor_shapes() const;

  /// Copies the layer from the mapped files. memory: bytes() bytes or more, on any device.
  void fill(const at::Tensor& memory, const Precision& precision) const;
  LayerTensors tensors_in(const at::Tensor& memory) const;

 private:
  struct Placed {
    Role role;
    std::vector<int64_t> shape;
    at::ScalarType type;
    int64_t offset;
  };
  void place(Role role, const std::vector<size_t>& parts);

  std::vector<Source> sources_;
  std::vector<int64_t> offsets_;  // by source
  std::vector<Placed> tensors_;
  int64_t bytes_ = 0;
};

/// Bytes of the largest of some layers.
int64_t largest(const std::vector<LayerLayout>& layouts);

}  // namespace qk::models
