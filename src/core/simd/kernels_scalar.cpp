// SPDX-License-Identifier: Apache-2.0
#if defined(__x86_64__) || defined(_M_X64)
#define HWY_COMPILE_ONLY_SCALAR  // the other instruction sets have their own objects
#else
#define HWY_COMPILE_ONLY_STATIC
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)  // no arrays of their vectors
#endif
#define MINIMOE_KERNEL_TABLES kernel_tables_scalar
#include "core/simd/kernels-inl.hpp"
