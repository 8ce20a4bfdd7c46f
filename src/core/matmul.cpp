// SPDX-License-Identifier: Apache-2.0
#include "minimoe/core/matmul.hpp"

#include <algorithm>
#include <functional>

#include "core/exec_impl.hpp"

#if defined(MINIMOE_WITH_BLAS)
#include "core/blas_backend.hpp"
#endif

namespace minimoe {
namespace {

// A matrix that is read along both axes: element (i, j) is data[i * row_stride + j * column_stride].
template <class T>
struct Operand {
  const T* data;
  std::size_t rows, columns, row_stride, column_stride;
};

template <class T>
Operand<T> operand(View<const T, 2> x, Transpose transpose) {
  if (transpose == Transpose::kNo) return {x.data(), x.shape(0), x.shape(1), x.shape(1), 1};
  return {x.data(), x.shape(1), x.shape(0), 1, x.shape(1)};
}

template <class T, class U>
bool overlap(View<T, 2> x, View<U, 2> y) {
  const std::less<const void*> before;
  return x.size() > 0 && y.size() > 0 && before(x.data(), y.data() + y.size()) && before(y.data(), x.data() + x.size());
}

constexpr std::size_t ceil_div(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

/// Elements of a packed column that hold `depth` k.
template <class T>
std::size_t stored(const GemmKernels<T>& kernels, std::size_t depth) {
  return ceil_div(depth, kernels.depth_per_element);
}

// How C is cut into independent tasks: bands of whole register tiles, from the sizes alone.
struct Split {
  std::size_t num_row_bands, num_column_bands;

  std::size_t num_tasks() const { return num_row_bands * num_column_bands; }
};

// The part of C that is one task's.
struct Part {
  std::size_t m0, m1, n0, n1;

  template <class T>
  Part(const GemmKernels<T>& kernels, const Split& bands, std::size_t M, std::size_t N, std::size_t task) {
    const std::size_t row_band = task / bands.num_column_bands, column_band = task % bands.num_column_bands;
    const std::size_t row_tiles = ceil_div(M, kernels.rows), column_tiles = ceil_div(N, kernels.columns);
    m0 = row_band * row_tiles / bands.num_row_bands * kernels.rows;
    m1 = std::min(M, (row_band + 1) * row_tiles / bands.num_row_bands * kernels.rows);
    n0 = column_band * column_tiles / bands.num_column_bands * kernels.columns;
    n1 = std::min(N, (column_band + 1) * column_tiles / bands.num_column_bands * kernels.columns);
  }
};

template <class T>
Split split(const GemmKernels<T>& kernels, std::size_t M, std::size_t N, std::size_t K) {
  constexpr std::size_t kSerialWork = std::size_t{1} << 18;   // below this a fork costs more than it gains
  constexpr std::size_t kMinTaskWork = std::size_t{1} << 16;  // multiply-adds
  constexpr std::size_t kWantedTasks = 32;
  const std::size_t row_tiles = ceil_div(M, kernels.rows), column_tiles = ceil_div(N, kernels.columns);
  // A band of packed B that stays in the second-level cache while the rows pass over it.
  const std::size_t band_tiles = std::max<std::size_t>(
      1, (std::size_t{512} << 10) / sizeof(T) / stored(kernels, kernels.max_depth) / kernels.columns);
  Split s{1, ceil_div(column_tiles, band_tiles)};
  const std::size_t work = M * N * K;
  if (work < kSerialWork) return s;
  const std::size_t tasks = std::min(kWantedTasks, std::max<std::size_t>(1, work / kMinTaskWork));
  s.num_row_bands = std::min(row_tiles, std::max(ceil_div(tasks, s.num_column_bands), ceil_div(M, 384)));
  if (s.num_row_bands * s.num_column_bands < tasks) {
    s.num_column_bands = std::min(column_tiles, ceil_div(tasks, s.num_row_bands));
  }
  return s;
}

// Whether A is read often and with a stride that caches or pages dislike.
template <class T>
bool worth_copying(const GemmKernels<T>& kernels, const Operand<T>& a, std::size_t N) {
  const std::size_t stride = a.column_stride == 1 ? a.row_stride : a.column_stride;
  return stride * sizeof(T) >= 2048 && N > kernels.columns;
}

// Whether B is read too few times to pay for packing it, and its rows do not all fall into the same cache sets.
template <class T>
bool worth_packing(const GemmKernels<T>& kernels, const Operand<T>& b, std::size_t M) {
  return !kernels.gemm_unpacked || b.column_stride != 1 || b.columns % kernels.vector != 0 ||
         b.row_stride * sizeof(T) > 1024 || M > 256;
}

template <class T>
void multiply_unpacked(Exec& exec, View<T, 2> c, const Operand<T>& a, const Operand<T>& b, Addend<T> add,
                       const MatmulFinish* finish) {
  const GemmKernels<T>& kernels = exec.impl().template gemm<T>();
  const std::size_t M = a.rows, N = b.columns;
  const Split bands = split(kernels, M, N, a.columns);
  exec.parallel_for(bands.num_tasks(), 1, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t i = begin; i < end; ++i) {
      const Part part(kernels, bands, M, N, i);
      kernels.gemm_unpacked(c.data() + part.m0 * N + part.n0, N, a.data + part.m0 * a.row_stride, a.row_stride,
                            a.column_stride, b.data + part.n0, b.row_stride, part.m1 - part.m0, part.n1 - part.n0,
                            a.columns, shifted(add, part.m0, part.n0));
      if (finish) (*finish)({part.m0, part.m1, part.n0, part.n1});
    }
  });
}

// One row times a matrix whose columns lie as rows in memory: a linear layer of one token.
template <class T>
bool is_one_row(const GemmKernels<T>& kernels, const Operand<T>& a, const Operand<T>& b, const T* c, Addend<T> add) {
  return kernels.gemv && a.rows == 1 && a.column_stride == 1 && b.row_stride == 1 && add.data != c;
}

// It is bound by the memory that B is read from, not by arithmetic: few large pieces, which each core fetches ahead for
// itself. A column has the same bits in any piece, so that their number may be that of the threads.
template <class T>
void multiply_row(Exec& exec, View<T, 2> c, const Operand<T>& a, const Operand<T>& b, Addend<T> add,
                  const MatmulFinish* finish) {
  constexpr std::size_t kTaskElements = std::size_t{1} << 14, kTasksPerThread = 2;
  const GemmKernels<T>& kernels = exec.impl().template gemm<T>();
  const PackedWeights<T>* const packed = exec.impl().packed_weights<T>();
  const std::size_t N = b.columns, K = b.rows;
  const T* const panels =
      packed && b.column_stride == K ? packed->find(exec.instruction_set(), {b.data, {N, K}}) : nullptr;
  const std::size_t width = panels ? kernels.panel_columns : kernels.columns;
  const std::size_t tiles = ceil_div(N, width);
  const std::size_t most = std::min(kTasksPerThread * static_cast<std::size_t>(exec.num_threads()), tiles);
  const std::size_t tasks = std::clamp(N * K / kTaskElements, std::size_t{1}, most);
  exec.parallel_for(tasks, 1, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t i = begin; i < end; ++i) {
      const std::size_t n0 = i * tiles / tasks * width, n1 = std::min(N, (i + 1) * tiles / tasks * width);
      const T* const start = add.data ? add.data + n0 : nullptr;
      if (panels) {
        kernels.gemv_panels(c.data() + n0, a.data, panels + n0 * K, n1 - n0, K, start);
      } else {
        kernels.gemv(c.data() + n0, a.data, b.data + n0 * b.column_stride, b.column_stride, n1 - n0, K, start);
      }
      if (finish) (*finish)({0, 1, n0, n1});
    }
  });
}

template <class T>
void native_matmul(Exec& exec, View<T, 2> c, const Operand<T>& a, const Operand<T>& b, Addend<T> add,
                   const MatmulFinish* finish) {
  if (exec.inside_parallel_for()) {
    throw Error(ErrorCode::kInternal,
                "matmul: called inside parallel_for of the same Exec, whose packing scratch it needs");
  }
  Exec::Impl& impl = exec.impl();
  const GemmKernels<T>& kernels = impl.gemm<T>();
  if (is_one_row<T>(kernels, a, b, c.data(), add)) {
    multiply_row(exec, c, a, b, add, finish);
    return;
  }
  if (!worth_packing(kernels, b, a.rows)) {
    multiply_unpacked(exec, c, a, b, add, finish);
    return;
  }
  T* const packed = reinterpret_cast<T*>(impl.packed_b());
  const std::size_t M = a.rows, N = b.columns, K = a.columns, ldc = N, KC = kernels.max_depth;
  const bool copying = !kernels.gemm || worth_copying(kernels, a, N);

  // Rounds: as many columns of B as the scratch holds over one block of k, then as many blocks.
  const std::size_t capacity = Exec::Impl::kPackedBytes / sizeof(T);
  const std::size_t round_columns =
      std::min(N, capacity / stored(kernels, std::min(KC, K)) / kernels.columns * kernels.columns);
  const std::size_t padded_columns = ceil_div(round_columns, kernels.vector) * kernels.vector;
  const std::size_t round_depth = std::max(KC, capacity / padded_columns / stored(kernels, KC) * KC);

  for (std::size_t n0 = 0; n0 < N; n0 += round_columns) {
    const std::size_t columns = std::min(round_columns, N - n0);
    const std::size_t column_tiles = ceil_div(columns, kernels.columns);
    for (std::size_t k0 = 0; k0 < K; k0 += round_depth) {
      const std::size_t depth = std::min(round_depth, K - k0);
      const Split bands = split(kernels, M, columns, depth);
      // Where the columns [begin, end) of block k (all of it) begin in the packed round.
      const std::size_t padded = ceil_div(columns, kernels.vector) * kernels.vector;
      const auto packed_at = [&](std::size_t k, std::size_t column) {
        return packed + stored(kernels, k) * padded + column * stored(kernels, std::min(KC, depth - k));
      };
      const T* const b_round = b.data + k0 * b.row_stride + n0 * b.column_stride;
      const auto pack = [&](std::size_t begin, std::size_t end, int) {
        for (std::size_t i = begin; i < end; ++i) {
          const std::size_t k = i / column_tiles * KC, column = i % column_tiles * kernels.columns;
          kernels.pack_b(packed_at(k, column), b_round + k * b.row_stride + column * b.column_stride, b.row_stride,
                         b.column_stride, std::min(KC, depth - k), std::min(kernels.columns, columns - column));
        }
      };
      const std::size_t panels = ceil_div(depth, KC) * column_tiles;
      exec.parallel_for(
          panels,
          bands.num_tasks() == 1 ? panels : std::max<std::size_t>(1, 16384 / (kernels.columns * std::min(KC, depth))),
          pack);

      const auto multiply = [&](std::size_t begin, std::size_t end, int worker) {
        for (std::size_t i = begin; i < end; ++i) {
          const Part part(kernels, bands, M, columns, i);
          const std::size_t num_rows = part.m1 - part.m0, width = part.n1 - part.n0;
          for (std::size_t k = 0; k < depth; k += KC) {
            T* const out = c.data() + part.m0 * ldc + n0 + part.n0;
            const T* const rows = a.data + part.m0 * a.row_stride + (k0 + k) * a.column_stride;
            const Addend<T> start = k0 + k > 0 ? Addend<T>{out, ldc} : shifted(add, part.m0, n0 + part.n0);
            if (copying) {
              kernels.gemm_copying(out, ldc, rows, a.row_stride, a.column_stride, packed_at(k, part.n0), num_rows,
                                   width, std::min(KC, depth - k), start, reinterpret_cast<T*>(impl.packed_a(worker)));
            } else {
              kernels.gemm(out, ldc, rows, a.row_stride, a.column_stride, packed_at(k, part.n0), num_rows, width,
                           std::min(KC, depth - k), start);
            }
          }
          if (finish && k0 + depth == K) (*finish)({part.m0, part.m1, n0 + part.n0, n0 + part.n1});
        }
      };
      exec.parallel_for(bands.num_tasks(), 1, multiply);
    }
  }
}

// Checks and computes; `bias` or `accumulate`.
template <class T>
void checked_matmul(Exec& exec, View<T, 2> c, In<T, 2> a, Transpose transpose_a, In<T, 2> b, Transpose transpose_b,
                    bool accumulate, In<T, 1> bias, const MatmulFinish* finish = nullptr) {
  const Operand<T> left = operand<T>(a, transpose_a), right = operand<T>(b, transpose_b);
  const auto shapes = [&] {
    return concat("c is ", shape_string(c.shape()), ", a is ", shape_string(a.shape()),
                  transpose_a == Transpose::kYes ? " transposed" : "", ", b is ", shape_string(b.shape()),
                  transpose_b == Transpose::kYes ? " transposed" : "");
  };
  if (c.shape(0) != left.rows || c.shape(1) != right.columns || left.columns != right.rows) {
    throw Error(ErrorCode::kInvalidArgument, concat("matmul: ", shapes(), ", expected [M, N], [M, K], [K, N]"));
  }
  if (overlap(c, a) || overlap(c, b)) {
    throw Error(ErrorCode::kInvalidArgument, concat("matmul: c overlaps an input; ", shapes()));
  }
  if (bias) check_shape("matmul", "bias", bias, {c.shape(1)});
  if (c.size() == 0) return;
  [[maybe_unused]] bool blas = left.columns == 0;
#if defined(MINIMOE_WITH_BLAS)
  blas = blas || exec.matmul_backend() == MatmulBackend::kBlas;
#endif
  if (!blas) {
    const Addend<T> add = bias ? Addend<T>{bias.data(), 0} : accumulate ? Addend<T>{c.data(), c.shape(1)} : Addend<T>{};
    native_matmul(exec, c, left, right, add, finish);
    return;
  }
  for (std::size_t m = 0; bias && m < c.shape(0); ++m) std::copy_n(bias.data(), bias.size(), c.row(m));
  if (left.columns == 0) {
    if (!accumulate && !bias) std::fill_n(c.data(), c.size(), T{0});
  } else {
#if defined(MINIMOE_WITH_BLAS)
    blas_matmul<T>(c, a, transpose_a == Transpose::kYes, b, transpose_b == Transpose::kYes,
                   accumulate || static_cast<bool>(bias));
#endif
  }
  if (!finish) return;
  constexpr std::size_t kRowsPerPart = 32;
  exec.parallel_for(c.shape(0), kRowsPerPart, [&](std::size_t begin, std::size_t end, int) {
    (*finish)({begin, end, 0, c.shape(1)});
  });
}

}  // namespace

template <class T>
void matmul(Exec& exec, View<T, 2> c, In<T, 2> a, Transpose transpose_a, In<T, 2> b, Transpose transpose_b,
            Accumulate accumulate) {
  checked_matmul<T>(exec, c, a, transpose_a, b, transpose_b, accumulate == Accumulate::kYes, {});
}

template <class T>
void matmul_with_bias(Exec& exec, View<T, 2> c, In<T, 2> a, Transpose transpose_a, In<T, 2> b, Transpose transpose_b,
                      In<T, 1> bias) {
  checked_matmul<T>(exec, c, a, transpose_a, b, transpose_b, false, bias);
}

template <class T>
void matmul_and_finish(Exec& exec, View<T, 2> c, In<T, 2> a, Transpose transpose_a, In<T, 2> b, Transpose transpose_b,
                       In<T, 1> bias, const MatmulFinish& finish) {
  checked_matmul<T>(exec, c, a, transpose_a, b, transpose_b, false, bias, &finish);
}

#define MINIMOE_INSTANTIATE(T)                                                                              \
  template void matmul<T>(Exec&, View<T, 2>, In<T, 2>, Transpose, In<T, 2>, Transpose, Accumulate);         \
  template void matmul_with_bias<T>(Exec&, View<T, 2>, In<T, 2>, Transpose, In<T, 2>, Transpose, In<T, 1>); \
  template void matmul_and_finish<T>(Exec&, View<T, 2>, In<T, 2>, Transpose, In<T, 2>, Transpose, In<T, 1>, \
                                     const MatmulFinish&);
MINIMOE_INSTANTIATE(float)
MINIMOE_INSTANTIATE(double)
#undef MINIMOE_INSTANTIATE

}  // namespace minimoe
