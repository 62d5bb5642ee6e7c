#include "kernels/linear.h"

#include <ATen/ATen.h>
#include <ATen/core/ivalue.h>
#include <ATen/cpu/Utils.h>

#include <algorithm>

// Of libtorch's own MKL; builds for other processors have none.
extern "C" int MKL_Set_Num_Threads_Local(int threads) __attribute__((weak));

namespace qk::kernels {
namespace {

/// 0: as many as the process may have. Returns what was set before.
int set_product_threads(int threads) {
  return MKL_Set_Num_Threads_Local != nullptr ? MKL_Set_Num_Threads_Local(threads) : 0;
}

/// Bytes of the float32 copy of a block of weight rows: enough rows for an efficient product, and
/// no weight is ever widened whole.
constexpr int64_t kBlockBytes = 8 << 20;

void product_out(at::Tensor out, const at::Tensor& x, const at::Tensor& weight,
                 const at::Tensor& bias) {
  if (bias.defined()) {
    at::addmm_out(out, bias, x, weight.t());
  } else {
    at::mm_out(out, x, weight.t());
  }
}

bool has_matrix_instructions(at::ScalarType dtype) {
  static const auto capabilities = at::cpu::get_cpu_capabilities();
  static const auto supports = [](const char* name) {
    const auto found = capabilities.find(name);
    return found != capabilities.end() && found->second.isBool() && found->second.toBool();
  };
  static const bool bf16 = supports("avx512_bf16") || supports("amx_bf16");
  static const bool fp16 = supports("amx_fp16");
  return dtype == at::kBFloat16 ? bf16 : fp16;
}

void product_through_float32(at::Tensor out, const at::Tensor& x, const at::Tensor& weight,
                             const at::Tensor& bias) {
  const at::Tensor wide_x = x.to(at::kFloat);
  const int64_t features = weight.size(0);
  const int64_t fitting = kBlockBytes / (4 * weight.size(1)) / 64 * 64;
  const int64_t block = std::min(std::max<int64_t>(fitting, 64), features);
  for (int64_t begin = 0; begin < features; begin += block) {
    const int64_t end = std::min(begin + block, features);
    const at::Tensor wide_weight = weight.slice(0, begin, end).to(at::kFloat);
    at::Tensor wide_out = at::mm(wide_x, wide_weight.t());
    if (bias.defined()) wide_out.add_(bias.slice(0, begin, end));
    out.slice(1, begin, end).copy_(wide_out);
  }
}

}  // namespace

ProductsOnThisThread::ProductsOnThisThread() : before_(set_product_threads(1)) {}
ProductsOnThisThread::~ProductsOnThisThread() { set_product_threads(before_); }

void linear_out(at::Tensor out, const at::Tensor& x, const at::Tensor& weight,
                const at::Tensor& bias) {
  const at::ScalarType dtype = weight.scalar_type();
  const bool emulated =
      x.device().is_cpu() && dtype != at::kFloat && !has_matrix_instructions(dtype);
  if (emulated) {
    product_through_float32(out, x, weight, bias);
  } else {
    product_out(out, x, weight, bias);
  }
}

}  // namespace qk::kernels
