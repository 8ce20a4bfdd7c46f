// SPDX-License-Identifier: Apache-2.0
// Compiled once per instruction set, by kernels_<set>.cpp, which names the table in MINIMOE_KERNEL_TABLES.
#pragma once

#include "core/simd/attention-inl.hpp"
#include "core/simd/elementwise-inl.hpp"
#include "core/simd/gemm-inl.hpp"
#include "core/simd/gemm_bf16-inl.hpp"
#include "core/simd/optimizer-inl.hpp"
#include "core/simd/rows-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace minimoe {
namespace HWY_NAMESPACE {

template <class T>
constexpr Kernels<T> make_kernels() {
  Kernels<T> k{};
  k.gemm = gemm_kernels<PlainFormat<T>>();
  add_elementwise_kernels(k);
  add_row_kernels(k);
  add_attention_kernels(k);
  add_optimizer_kernels(k);
  return k;
}

constexpr KernelTables kTables{make_kernels<float>(), make_kernels<double>(), gemm_kernels<bf16_emulated::Format>()};

}  // namespace HWY_NAMESPACE

const KernelTables& MINIMOE_KERNEL_TABLES() { return HWY_NAMESPACE::kTables; }

}  // namespace minimoe
HWY_AFTER_NAMESPACE();
