// SPDX-License-Identifier: Apache-2.0
#if defined(__x86_64__) || defined(_M_X64)
#define HWY_COMPILE_ONLY_STATIC
#define MINIMOE_KERNEL_TABLES kernel_tables_avx512
#include "core/simd/kernels-inl.hpp"

static_assert(HWY_TARGET == HWY_AVX3, "this file needs its flags from cmake/MinimoeKernels.cmake");
#endif
