// SPDX-License-Identifier: Apache-2.0
#if defined(__x86_64__) || defined(_M_X64)
#define HWY_COMPILE_ONLY_STATIC
#include "core/simd/gemm_bf16-inl.hpp"

static_assert(HWY_TARGET == HWY_AVX3, "this file needs its flags from cmake/MinimoeKernels.cmake");

namespace minimoe {

const GemmKernels<float>& gemm_kernels_avx512_bf16() {
  static constexpr GemmKernels<float> kernels = HWY_NAMESPACE::gemm_kernels<HWY_NAMESPACE::bf16_native::Format>();
  return kernels;
}

}  // namespace minimoe
#endif
