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

// How C is cut into independent tasks: bands of whole register tiles, from the sizes alone.
struct Split {
  std::size_t num_row_bands, num_column_bands;
};

constexpr std::size_t ceil_div(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

template <class T>
Split split(const GemmKernels<T>& kernels, std::size_t M, std::size_t N, std::size_t K) {
  constexpr std::size_t kSerialWork = std::size_t{1} << 18;   // below this a fork costs more than it gains
  constexpr std::size_t kMinTaskWork = std::size_t{1} << 16;  // multiply-adds
  constexpr std::size_t kWantedTasks = 32;
  const std::size_t row_tiles = ceil_div(M, kernels.rows), column_tiles = ceil_div(N, kernels.columns);
  // A band of packed B that stays in the second-level cache while the rows pass over it.
  const std::size_t band_tiles =
      std::max<std::size_t>(1, (std::size_t{512} << 10) / sizeof(T) / kernels.max_depth / kernels.columns);
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

template <class T>
void native_matmul(Exec& exec, View<T, 2> c, const Operand<T>& a, const Operand<T>& b, bool accumulate) {
  if (exec.inside_parallel_for()) {
    throw Error(ErrorCode::kInternal,
                "matmul: called inside parallel_for of the same Exec, whose packing scratch it needs");
  }
  const GemmKernels<T>& kernels = exec.kernels<T>().gemm;
  Exec::Impl& impl = exec.impl();
  T* const packed = reinterpret_cast<T*>(impl.packed_b());
  const std::size_t M = a.rows, N = b.columns, K = a.columns, ldc = N, KC = kernels.max_depth;
  const bool copying = worth_copying(kernels, a, N);

  // Rounds: as many columns of B as the scratch holds over one block of k, then as many blocks.
  const std::size_t capacity = Exec::Impl::kPackedBytes / sizeof(T);
  const std::size_t round_columns = std::min(N, capacity / std::min(KC, K) / kernels.columns * kernels.columns);
  const std::size_t padded_columns = ceil_div(round_columns, kernels.vector) * kernels.vector;
  const std::size_t round_depth = std::max(KC, capacity / padded_columns / KC * KC);

  for (std::size_t n0 = 0; n0 < N; n0 += round_columns) {
    const std::size_t columns = std::min(round_columns, N - n0);
    const std::size_t column_tiles = ceil_div(columns, kernels.columns);
    for (std::size_t k0 = 0; k0 < K; k0 += round_depth) {
      const std::size_t depth = std::min(round_depth, K - k0);
      const Split bands = split(kernels, M, columns, depth);
      const auto first_column = [&](std::size_t band) {
        return std::min(columns, band * column_tiles / bands.num_column_bands * kernels.columns);
      };
      // Where the columns [begin, end) of block k (all of it) begin in the packed round.
      const std::size_t padded = ceil_div(columns, kernels.vector) * kernels.vector;
      const auto packed_at = [&](std::size_t k, std::size_t column) {
        return packed + k * padded + column * std::min(KC, depth - k);
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
      const std::size_t tasks = bands.num_row_bands * bands.num_column_bands;
      exec.parallel_for(panels,
                        tasks == 1 ? panels : std::max<std::size_t>(1, 16384 / (kernels.columns * std::min(KC, depth))),
                        pack);

      const std::size_t row_tiles = ceil_div(M, kernels.rows);
      const auto multiply = [&](std::size_t begin, std::size_t end, int worker) {
        for (std::size_t i = begin; i < end; ++i) {
          const std::size_t row_band = i / bands.num_column_bands, column_band = i % bands.num_column_bands;
          const std::size_t m0 = row_band * row_tiles / bands.num_row_bands * kernels.rows;
          const std::size_t m1 = std::min(M, (row_band + 1) * row_tiles / bands.num_row_bands * kernels.rows);
          const std::size_t column = first_column(column_band), width = first_column(column_band + 1) - column;
          for (std::size_t k = 0; k < depth; k += KC) {
            T* const out = c.data() + m0 * ldc + n0 + column;
            const T* const rows = a.data + m0 * a.row_stride + (k0 + k) * a.column_stride;
            const bool add = accumulate || k0 + k > 0;
            if (copying) {
              kernels.gemm_copying(out, ldc, rows, a.row_stride, a.column_stride, packed_at(k, column), m1 - m0, width,
                                   std::min(KC, depth - k), add, reinterpret_cast<T*>(impl.packed_a(worker)));
            } else {
              kernels.gemm(out, ldc, rows, a.row_stride, a.column_stride, packed_at(k, column), m1 - m0, width,
                           std::min(KC, depth - k), add);
            }
          }
        }
      };
      exec.parallel_for(tasks, 1, multiply);
    }
  }
}

}  // namespace

template <class T>
void matmul(Exec& exec, View<T, 2> c, In<T, 2> a, Transpose transpose_a, In<T, 2> b, Transpose transpose_b,
            Accumulate accumulate) {
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
  if (c.size() == 0) return;
  if (left.columns == 0) {
    if (accumulate == Accumulate::kNo) std::fill_n(c.data(), c.size(), T{0});
    return;
  }
#if defined(MINIMOE_WITH_BLAS)
  if (exec.matmul_backend() == MatmulBackend::kBlas) {
    blas_matmul<T>(c, a, transpose_a == Transpose::kYes, b, transpose_b == Transpose::kYes,
                   accumulate == Accumulate::kYes);
    return;
  }
#endif
  native_matmul(exec, c, left, right, accumulate == Accumulate::kYes);
}

template void matmul<float>(Exec&, View<float, 2>, In<float, 2>, Transpose, In<float, 2>, Transpose, Accumulate);
template void matmul<double>(Exec&, View<double, 2>, In<double, 2>, Transpose, In<double, 2>, Transpose, Accumulate);

}  // namespace minimoe
