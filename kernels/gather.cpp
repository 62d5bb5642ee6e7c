#include "kernels/gather.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <vector>

#include "kernels/device_call.h"
#include "kernels/upload.h"

namespace qk::kernels {
namespace {

void gather_on_cpu(at::Tensor out, const at::Tensor& x, const at::Tensor& rows,
                   const at::Tensor& heads) {
  const auto* head_of = heads.const_data_ptr<int32_t>();
  at::parallel_for(0, heads.numel(), 1, [&](int64_t begin, int64_t end) {
    const c10::InferenceMode inference;
    for (int64_t h = begin; h < end; ++h) {
      at::Tensor to = out.select(0, h);
      at::index_select_out(to, x.select(1, head_of[h]), 0, rows);
    }
  });
}

}  // namespace

void gather_heads_out(at::Tensor out, const at::Tensor& x, const at::Tensor& rows,
                      const at::Tensor& heads) {
  const int64_t bytes_per_head = x.size(2) * x.element_size();
  if (x.is_cpu()) {
    gather_on_cpu(out, x, rows, heads);
  } else if (device_type_of({x}) && x.stride(1) == x.size(2) && bytes_per_head % 16 == 0) {
    device::gather_heads({.x = x.const_data_ptr(),
                          .row_stride = x.stride(0) * x.element_size(),
                          .bytes_per_head = bytes_per_head,
                          .row_of = rows.const_data_ptr<int32_t>(),
                          .head_of = heads.const_data_ptr<int32_t>(),
                          .rows = rows.numel(),
                          .heads = heads.numel(),
                          .out = out.data_ptr()},
                         OnDeviceOf(x).stream());
  } else {
    at::index_out(out, x, {rows.to(at::kLong).unsqueeze(0), heads.to(at::kLong).unsqueeze(1)});
  }
}

at::Tensor pick_rows(const at::Tensor& x, std::span<const int32_t> rows, int64_t out_rows) {
  std::vector<int64_t> padded(rows.begin(), rows.end());
  padded.resize(static_cast<size_t>(out_rows));
  at::Tensor picked = x.index_select(0, upload(padded, x.device()));
  picked.slice(0, std::ssize(rows)).zero_();
  return picked;
}

}  // namespace qk::kernels
