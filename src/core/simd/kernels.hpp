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

/// What a product is added to: row m at data + m * row_stride (c itself to accumulate; stride 0 for a bias), or
/// nothing.
template <class T>
struct Addend {
  const T* data = nullptr;
  std::size_t row_stride = 0;
};

/// The addend of the part of C that begins at (row, column). Never a symbol of its own: see the rules above.
template <class T>
[[gnu::always_inline]] inline Addend<T> shifted(Addend<T> add, std::size_t row, std::size_t column) {
  if (add.data) add.data += row * add.row_stride + column;
  return add;
}

/// Matrix-product kernels of one instruction set, all single-threaded. A `packed` operand B is what pack_b wrote.
template <class T>
struct GemmKernels {
  std::size_t rows;     ///< MR: rows of C that one register tile holds
  std::size_t columns;  ///< NR = 2 vectors: columns of C that one register tile holds
  std::size_t vector;   ///< elements of one vector; packed B is padded to a multiple of it
  std::size_t
      max_depth;  ///< KC: sums over k run in blocks of this many, each added to C once; never chosen from a size
  std::size_t depth_per_element;  ///< consecutive k that one element of a packed operand holds: 1, or 2 in bfloat16

  /// Elements that pack_b(..., K, N) writes.
  std::size_t (*packed_b_size)(std::size_t K, std::size_t N);
  /// dst = B [K, N], B(k, n) = b[k * k_stride + n * n_stride]. dst aligned to a vector.
  void (*pack_b)(T* dst, const T* b, std::size_t k_stride, std::size_t n_stride, std::size_t K, std::size_t N);
  /// c [M, N] = add + A B; A(m, k) = a[m * row_stride + k * k_stride], c(m, n) = c[m * ldc + n].
  /// Any K, N and strides; a row of c has the same bits whatever M is.
  /// Null in bfloat16, which always copies.
  void (*gemm)(T* c, std::size_t ldc, const T* a, std::size_t row_stride, std::size_t k_stride, const T* packed_b,
               std::size_t M, std::size_t N, std::size_t K, Addend<T> add);
  /// The same, for strides of A that suit caches badly: copies `rows` rows of A at a time into `scratch`, which has
  /// packed_a_size elements and the alignment of a vector. One of the two strides must be 1.
  void (*gemm_copying)(T* c, std::size_t ldc, const T* a, std::size_t row_stride, std::size_t k_stride,
                       const T* packed_b, std::size_t M, std::size_t N, std::size_t K, Addend<T> add, T* scratch);
  std::size_t packed_a_size;
  /// gemm with B in place, B(k, n) = b[k * ldb + n]: reads each row up to a multiple of `vector`. Null in bfloat16.
  void (*gemm_unpacked)(T* c, std::size_t ldc, const T* a, std::size_t row_stride, std::size_t k_stride, const T* b,
                        std::size_t ldb, std::size_t M, std::size_t N, std::size_t K, Addend<T> add);
  /// One row, the bits of gemm's: c [N] = add + a [K] B with B(k, n) = b[n * ldb + k]. add [N] may be null; no overlap
  /// with c. Null in bfloat16.
  void (*gemv)(T* c, const T* a, const T* b, std::size_t ldb, std::size_t N, std::size_t K, const T* add);
  /// The same with B in panels of panel_columns columns, the last as narrow as whole vectors allow, each stored row
  /// after row: K * N elements, N rounded up to `vector`, aligned to one. Null (0) in bfloat16.
  void (*gemv_panels)(T* c, const T* a, const T* panels, std::size_t N, std::size_t K, const T* add);
  void (*pack_panels)(T* dst, const T* b, std::size_t ldb, std::size_t N, std::size_t K);
  std::size_t panel_columns;
};

/// m = beta1 m + one_minus_beta1 g, v = beta2 v + one_minus_beta2 g^2 with g = gradient_scale * gradient;
/// w = keep * w - rate * m / (sqrt(v) * root_correction + eps)
template <class T>
struct AdamWFactors {
  T gradient_scale, beta1, one_minus_beta1, beta2, one_minus_beta2, keep, rate, root_correction, eps;
};

template <class T>
struct Kernels {
  GemmKernels<T> gemm;

  // Elementwise (elementwise-inl.hpp). The output may be one of the inputs. Activations: error below 2
  // epsilon of |x| (of 1 for x < -1) and of 1 for slopes (tests/ops/kernel_accuracy_test.cpp).
  void (*add_into)(T* y, const T* x, std::size_t n);  ///< y[i] += x[i]
  void (*gelu_tanh_forward)(T* y, const T* x, std::size_t n);
  void (*gelu_tanh_backward)(T* d_x, const T* d_y, const T* x, std::size_t n);
  void (*gelu_erf_forward)(T* y, const T* x, std::size_t n);
  void (*gelu_erf_backward)(T* d_x, const T* d_y, const T* x, std::size_t n);
  /// y as gelu_*_forward gives it, and the slope by which gelu_*_backward multiplies; slope may be x.
  void (*gelu_tanh_with_slope)(T* y, T* slope, const T* x, std::size_t n);
  void (*gelu_erf_with_slope)(T* y, T* slope, const T* x, std::size_t n);
  void (*multiply_into)(T* y, const T* x, std::size_t n);  ///< y[i] *= x[i]
  void (*silu_forward)(T* y, const T* x, std::size_t n);
  void (*silu_backward)(T* d_x, const T* d_y, const T* x, std::size_t n);
  void (*swiglu_forward)(T* y, const T* gate, const T* up, std::size_t n);
  /// d_gate may be gate, d_up may be up.
  void (*swiglu_backward)(T* d_gate, T* d_up, const T* d_y, const T* gate, const T* up, std::size_t n);
  /// Turns num_heads consecutive heads of 2 * num_pairs in place by the angles of one position.
  void (*rope)(T* x, const T* cos, const T* sin, std::size_t num_heads, std::size_t num_pairs, bool interleaved,
               bool inverse);

  // Consecutive rows of n >= 1 (rows-inl.hpp). The output may be one of the inputs.
  /// max of each row, sum of its e^(x - max): null when not wanted.
  void (*softmax_rows)(T* y, T* max, T* sum, const T* x, std::size_t num_rows, std::size_t n);
  void (*softmax_backward_rows)(T* d_x, const T* d_y, const T* y, std::size_t num_rows, std::size_t n);
  void (*max_and_exp_sum)(const T* x, std::size_t n, T* max, T* sum);     ///< of one row: sum of e^(x - max)
  void (*scaled_exp)(T* y, const T* x, std::size_t n, T shift, T scale);  ///< y = scale * e^(x - shift), x <= shift
  /// mean, rstd: null when not wanted.
  void (*layer_norm_rows)(T* y, T* mean, T* rstd, const T* x, const T* weight, const T* bias, std::size_t num_rows,
                          std::size_t n, T eps);
  void (*layer_norm_backward_rows)(T* d_x, const T* d_y, const T* x, const T* weight, const T* mean, const T* rstd,
                                   std::size_t num_rows, std::size_t n);
  void (*rms_norm_rows)(T* y, T* rstd, const T* x, const T* weight, std::size_t num_rows, std::size_t n, T eps);
  void (*rms_norm_backward_rows)(T* d_x, const T* d_y, const T* x, const T* weight, const T* rstd, std::size_t num_rows,
                                 std::size_t n);
  /// sums[j] += sum_r x[r * stride + j], in an order that num_rows alone fixes.
  void (*column_sums_add)(T* sums, const T* x, std::size_t stride, std::size_t num_rows, std::size_t num_columns);
  /// d_weight += sum of d_y * (x - mean) * rstd, d_bias += sum of d_y, over num_rows rows of `groups` slices each,
  /// slice g at r * stride + g * group_stride; mean, rstd [num_rows, groups]. Null mean: 0. Null d_bias: not wanted.
  void (*norm_parameters_backward_add)(T* d_weight, T* d_bias, const T* d_y, const T* x, const T* mean, const T* rstd,
                                       std::size_t stride, std::size_t num_rows, std::size_t groups,
                                       std::size_t group_stride, std::size_t num_columns);

  // Tiles of attention (attention-inl.hpp): row i attends to the first first_count + i keys.
  /// scores -> e^(scale * score - max), not normalised; exact zeros for the keys from there to num_keys.
  void (*causal_softmax_tile)(T* scores, std::size_t stride, std::size_t num_rows, std::size_t first_count,
                              std::size_t num_keys, T scale, T* max, T* sum);
  /// scores -> p = e^(scale * score - lse); d_probs -> scale * p * (d_probs - delta); zeros likewise.
  void (*causal_softmax_backward_tile)(T* scores, T* d_probs, std::size_t stride, std::size_t num_rows,
                                       std::size_t first_count, std::size_t num_keys, T scale, const T* lse,
                                       const T* delta);
  /// x[r * stride + j] /= divisor[r], by one reciprocal a row
  void (*divide_rows)(T* x, std::size_t stride, std::size_t num_rows, std::size_t n, const T* divisor);
  /// dots[r] = sum_j a[r * stride + j] * b[r * stride + j]
  void (*row_dots)(T* dots, const T* a, const T* b, std::size_t stride, std::size_t num_rows, std::size_t n);

  // Optimizer (optimizer-inl.hpp).
  void (*adamw)(T* weight, T* moment1, T* moment2, const T* gradient, std::size_t n, const AdamWFactors<T>& factors);
  double (*sum_of_squares)(const T* x, std::size_t n);
};

/// The tables of one instruction set.
struct KernelTables {
  Kernels<float> f32;
  Kernels<double> f64;
  GemmKernels<float> bf16;  ///< products of float matrices whose elements are rounded to bfloat16 (gemm_bf16-inl.hpp)
};

const KernelTables& kernel_tables_scalar();  ///< elsewhere than on x86: the best that the compiler's baseline allows
#if defined(__x86_64__) || defined(_M_X64)
const KernelTables& kernel_tables_sse4();
const KernelTables& kernel_tables_avx2();
const KernelTables& kernel_tables_avx512();
/// The same bits, above the smallest normal float, as kernel_tables_avx512().bf16 by the CPU's own instructions
/// (avx512_bf16).
const GemmKernels<float>& gemm_kernels_avx512_bf16();
#endif

}  // namespace minimoe
