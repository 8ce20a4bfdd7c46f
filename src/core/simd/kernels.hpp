// SPDX-License-Identifier: Apache-2.0
// The table of vector kernels that one instruction set provides. Single-threaded, on plain pointers; ops and matmul
// split the work and call them through Exec::kernels<T>(). Each instruction set is one object file: kernels_<set>.cpp
// compiles all *-inl.hpp files with its own -m flags inside Highway's per-target namespace; exec.cpp picks a table by
// cpuid.
//
// To add a kernel:
//   1. here, a function pointer in Kernels<T>: raw pointers, sizes and scalars only;
//   2. in the *-inl.hpp of its kind, `template <class T> void name(...)` inside minimoe::HWY_NAMESPACE, written once
//   with
//      Highway's portable operations (hn::); HWY_TARGET == HWY_SCALAR must compile too, so no shuffles without a guard;
//   3. at the end of that file, one line in `add_<kind>_kernels`.
//   A new kind: include its file in kernels-inl.hpp and call its add function there.
// Rules: an element's value must not depend on its position, so a tail is not scalar code but the vector body on
// load_partial/store_partial (lanes-inl.hpp; Highway's own MaskedLoad/BlendedStore touch memory past the end on SSE4).
// No std:: containers, algorithms or maths, nothing inline outside HWY_NAMESPACE: a weak symbol that an AVX-512 object
// emits may be the one that the linker keeps for every caller (test: kernels.symbols).
#pragma once

#include <cstddef>
#include <cstdint>

namespace minimoe {

/// Matrix-product kernels of one instruction set, all single-threaded. A `packed` operand B is what pack_b wrote.
template <class T>
struct GemmKernels {
  std::size_t rows;     ///< MR: rows of C that one register tile holds
  std::size_t columns;  ///< NR = 2 vectors: columns of C that one register tile holds
  std::size_t vector;   ///< elements of one vector; packed B is padded to a multiple of it
  std::size_t
      max_depth;  ///< KC: sums over k run in blocks of this many, each added to C once; never chosen from a size

  /// Elements that pack_b(..., K, N) writes.
  std::size_t (*packed_b_size)(std::size_t K, std::size_t N);
  /// dst = B [K, N], B(k, n) = b[k * k_stride + n * n_stride]. dst aligned to a vector.
  void (*pack_b)(T* dst, const T* b, std::size_t k_stride, std::size_t n_stride, std::size_t K, std::size_t N);
  /// c [M, N] = A B, or += with accumulate; A(m, k) = a[m * row_stride + k * k_stride], c(m, n) = c[m * ldc + n].
  /// Any K, N and strides; a row of c has the same bits whatever M is.
  void (*gemm)(T* c, std::size_t ldc, const T* a, std::size_t row_stride, std::size_t k_stride, const T* packed_b,
               std::size_t M, std::size_t N, std::size_t K, bool accumulate);
  /// The same, for strides of A that suit caches badly: copies `rows` rows of A at a time into `scratch`, which has
  /// packed_a_size elements and the alignment of a vector. One of the two strides must be 1.
  void (*gemm_copying)(T* c, std::size_t ldc, const T* a, std::size_t row_stride, std::size_t k_stride,
                       const T* packed_b, std::size_t M, std::size_t N, std::size_t K, bool accumulate, T* scratch);
  std::size_t packed_a_size;
};

template <class T>
struct Kernels {
  GemmKernels<T> gemm;

  // Elementwise (elementwise-inl.hpp).
  void (*add_into)(T* y, const T* x, std::size_t n);  ///< y[i] += x[i]

  // Rows (rows-inl.hpp), optimizer (optimizer-inl.hpp): members added by those files' authors.
};

/// Both tables of one instruction set.
struct KernelTables {
  Kernels<float> f32;
  Kernels<double> f64;
};

const KernelTables& kernel_tables_scalar();  ///< elsewhere than on x86: the best that the compiler's baseline allows
#if defined(__x86_64__) || defined(_M_X64)
const KernelTables& kernel_tables_sse4();
const KernelTables& kernel_tables_avx2();
const KernelTables& kernel_tables_avx512();
#endif

}  // namespace minimoe
