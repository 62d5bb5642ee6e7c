#pragma once
/// Causal attention of packed documents on a CUDA device, by ATen's fused kernels.
#include "kernels/attention.h"

namespace qk::kernels {

/// Whether a fused GPU kernel takes these queries: half precision, a head_dim that is a multiple of
/// 8 and at most 256.
bool gpu_takes(const at::Tensor& q, const Documents& documents);

/// attention_rows() of a GPU.
int64_t gpu_attention_rows(const std::vector<int64_t>& offsets);

/// Arguments and result of causal_attention(); only where gpu_takes().
at::Tensor causal_attention_gpu(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                const Documents& documents, const AttentionShape& shape);

/// Arguments and result of causal_attention_of_rows(); only where gpu_takes().
at::Tensor causal_attention_of_rows_gpu(const at::Tensor& q, const at::Tensor& k,
                                        const at::Tensor& v, const Documents& documents,
                                        const AttentionShape& shape, const QueryRows& rows);

}  // namespace qk::kernels
