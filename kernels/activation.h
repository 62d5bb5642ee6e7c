#pragma once
/// Activations of gated MLPs.
#include <ATen/core/Tensor.h>

namespace qk::kernels {

enum class Activation { Silu, Gelu, GeluTanh, Relu };

/// act(gate) * up, both roundings in their dtype. gate, up: [tokens, mlp], rows may have gaps.
/// Returns [tokens, mlp], contiguous; may overwrite gate.
at::Tensor gated_activation_(at::Tensor gate, const at::Tensor& up, Activation activation);

}  // namespace qk::kernels
