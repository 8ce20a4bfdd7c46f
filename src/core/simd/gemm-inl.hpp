// SPDX-License-Identifier: Apache-2.0
// Matrix product in the manner of BLIS (Van Zee and van de Geijn, "BLIS: A Framework for Rapidly Instantiating BLAS
// Functionality", TOMS 2015): a register tile of C, panels of packed B from the second-level cache, a panel of A in the
// first.
//
// Every element of C is sum over k ascending inside a block of kDepth, blocks ascending, each block added to C once,
// whatever tile the element fell into: so its bits depend on its row of A and its column of B only.
#pragma once

#include "core/simd/gemm_pack-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace minimoe {
namespace HWY_NAMESPACE {

// C tile of R rows and V vectors; only the first n columns exist. One pointer addresses three rows, so that the twelve
// rows of A need four pointers and one stride register.
template <class T, std::size_t R, std::size_t V>
void gemm_tile(T* c, std::size_t ldc, const T* a, std::size_t row_stride, std::size_t k_stride, const T* b,
               std::size_t K, std::size_t n, bool accumulate) {
  using Vec = hn::Vec<Tag<T>>;
  constexpr std::size_t kL = kLanes<T>, kGroups = (R + 2) / 3;
  const Tag<T> d;
  Vec sum[R][V];
  HWY_UNROLL(16)
  for (std::size_t r = 0; r < R; ++r) {
    HWY_UNROLL(2)
    for (std::size_t v = 0; v < V; ++v) sum[r][v] = hn::Zero(d);
  }
  const T* rows[kGroups];
  HWY_UNROLL(16)
  for (std::size_t g = 0; g < kGroups; ++g) rows[g] = a + 3 * g * row_stride;

  for (std::size_t k = 0; k < K; ++k) {
    Vec b_k[V];
    HWY_UNROLL(2)
    for (std::size_t v = 0; v < V; ++v) b_k[v] = hn::Load(d, b + v * kL);
    HWY_UNROLL(16)
    for (std::size_t r = 0; r < R; ++r) {
      const Vec a_r = hn::Set(d, rows[r / 3][(r % 3) * row_stride]);
      HWY_UNROLL(2)
      for (std::size_t v = 0; v < V; ++v) sum[r][v] = hn::MulAdd(a_r, b_k[v], sum[r][v]);
    }
    b += V * kL;
    HWY_UNROLL(16)
    for (std::size_t g = 0; g < kGroups; ++g) rows[g] += k_stride;
  }

  if (n == V * kL) {
    HWY_UNROLL(16)
    for (std::size_t r = 0; r < R; ++r) {
      HWY_UNROLL(2)
      for (std::size_t v = 0; v < V; ++v) {
        T* out = c + r * ldc + v * kL;
        hn::StoreU(accumulate ? hn::Add(hn::LoadU(d, out), sum[r][v]) : sum[r][v], d, out);
      }
    }
    return;
  }
  const std::size_t last = n - (V - 1) * kL;
  HWY_UNROLL(16)
  for (std::size_t r = 0; r < R; ++r) {
    HWY_UNROLL(2)
    for (std::size_t v = 0; v < V; ++v) {
      T* out = c + r * ldc + v * kL;
      const std::size_t count = v + 1 < V ? kL : last;
      store_partial(accumulate ? hn::Add(load_partial(d, out, count), sum[r][v]) : sum[r][v], d, out, count);
    }
  }
}

template <class T>
using TileFunction = void (*)(T*, std::size_t, const T*, std::size_t, std::size_t, const T*, std::size_t, std::size_t,
                              bool);

template <class T>
struct TileTable {
  TileFunction<T> of[kTileRows][2] = {};

  template <std::size_t R>
  constexpr void fill() {
    of[R - 1][0] = gemm_tile<T, R, 1>;
    of[R - 1][1] = gemm_tile<T, R, 2>;
    if constexpr (R > 1) fill<R - 1>();
  }
  constexpr TileTable() { fill<kTileRows>(); }
};

template <class T>
inline constexpr TileTable<T> kTiles{};

// `rows` (at most kTileRows) rows of C, all columns, one block of k.
template <class T>
HWY_INLINE void gemm_row_panel(T* c, std::size_t ldc, const T* a, std::size_t row_stride, std::size_t k_stride,
                               const T* packed_b, std::size_t rows, std::size_t N, std::size_t K, bool accumulate) {
  for (std::size_t n = 0; n < N;) {
    const std::size_t width = panel_width<T>(N - n);
    const std::size_t count = N - n < width ? N - n : width;
    kTiles<T>.of[rows - 1][width / kLanes<T> - 1](c + n, ldc, a, row_stride, k_stride, packed_b + n * K, K, count,
                                                  accumulate);
    n += width;
  }
}

template <class T>
void gemm(T* c, std::size_t ldc, const T* a, std::size_t row_stride, std::size_t k_stride, const T* packed_b,
          std::size_t M, std::size_t N, std::size_t K, bool accumulate) {
  const std::size_t padded = padded_columns<T>(N);
  for (std::size_t k = 0; k < K; k += kDepth) {
    const std::size_t depth = K - k < kDepth ? K - k : kDepth;
    for (std::size_t m = 0; m < M; m += kTileRows) {
      gemm_row_panel(c + m * ldc, ldc, a + m * row_stride + k * k_stride, row_stride, k_stride, packed_b + k * padded,
                     M - m < kTileRows ? M - m : kTileRows, N, depth, accumulate || k > 0);
    }
  }
}

template <class T>
void gemm_copying(T* c, std::size_t ldc, const T* a, std::size_t row_stride, std::size_t k_stride, const T* packed_b,
                  std::size_t M, std::size_t N, std::size_t K, bool accumulate, T* scratch) {
  const std::size_t padded = padded_columns<T>(N);
  const bool by_rows = k_stride == 1;
  for (std::size_t k = 0; k < K; k += kDepth) {
    const std::size_t depth = K - k < kDepth ? K - k : kDepth;
    for (std::size_t m = 0; m < M; m += kTileRows) {
      const std::size_t rows = M - m < kTileRows ? M - m : kTileRows;
      copy_a(scratch, a + m * row_stride + k * k_stride, by_rows ? row_stride : k_stride, by_rows, rows, depth);
      gemm_row_panel(c + m * ldc, ldc, scratch, by_rows ? kCopiedRowStride<T> : 1, by_rows ? 1 : kCopiedDepthStride<T>,
                     packed_b + k * padded, rows, N, depth, accumulate || k > 0);
    }
  }
}

template <class T>
constexpr void add_gemm_kernels(GemmKernels<T>& k) {
  k.rows = kTileRows;
  k.columns = 2 * kLanes<T>;
  k.vector = kLanes<T>;
  k.max_depth = kDepth;
  k.packed_b_size = packed_b_size<T>;
  k.pack_b = pack_b<T>;
  k.gemm = gemm<T>;
  k.gemm_copying = gemm_copying<T>;
  k.packed_a_size = kCopiedSize<T>;
}

}  // namespace HWY_NAMESPACE
}  // namespace minimoe
HWY_AFTER_NAMESPACE();
