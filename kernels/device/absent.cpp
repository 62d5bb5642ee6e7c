// Stands in for the kernels where no CUDA compiler was found: nobody calls what is not available.
#include <cstdlib>

#include "kernels/device/fused.h"

namespace qk::kernels::device {

bool available() { return false; }
void add_rms_norm(Type, const AddNorm&, void*) { std::abort(); }
void norm_rotate(Type, const Heads&, void*) { std::abort(); }
void gated(Type, Gate, const void*, const void*, int64_t, void*, int64_t, int64_t, void*) {
  std::abort();
}
void gather_heads(const Gather&, void*) { std::abort(); }

}  // namespace qk::kernels::device
