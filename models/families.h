#pragma once
/// Every family there is. Adding one: a file that defines its Family, a line here and in
/// registry.cpp, a golden case (docs/add-a-family.md).
#include "models/family.h"

namespace qk::models {

extern const Family kLlama;
extern const Family kMistral;
extern const Family kMinistral;
extern const Family kMinistral3;
extern const Family kQwen2;
extern const Family kQwen3;
extern const Family kSmolLM3;
extern const Family kGlm;
extern const Family kGlm4;
extern const Family kGemma3;
extern const Family kMllama;

/// The tensors that Llama names in its own way, as most families do.
std::span<const TensorRow> llama_tensors();

}  // namespace qk::models
