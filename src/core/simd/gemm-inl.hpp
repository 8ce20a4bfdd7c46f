// SPDX-License-Identifier: Apache-2.0
// Matrix product in the manner of BLIS (Van Zee and van de Geijn, "BLIS: A Framework for Rapidly Instantiating BLAS
// Functionality", TOMS 2015): a register tile of C, panels of packed B from the second-level cache, a panel of A in the
// first. Written once for every format F of operands (gemm_pack-inl.hpp).
//
// Every element of C is sum over k ascending inside a block of F::kDepth, blocks ascending, each block added to C once,
// whatever tile the element fell into: so its bits depend on its row of A and its column of B only.
#pragma once

#include "core/simd/gemm_pack-inl.hpp"
#include "core/simd/gemv-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace minimoe {
namespace HWY_NAMESPACE {

// C tile of R rows and V vectors; only the first n columns exist. Row k of B is at b + k * b_stride. One pointer
// addresses three rows, so that the twelve rows of A need four pointers and one stride register.
template <class F, std::size_t R, std::size_t V>
void gemm_tile(typename F::Element* c, std::size_t ldc, const typename F::Packed* a, std::size_t row_stride,
               std::size_t k_stride, const typename F::Packed* b, std::size_t b_stride, std::size_t K, std::size_t n,
               Addend<typename F::Element> add) {
  using T = typename F::Element;
  using Packed = typename F::Packed;
  constexpr std::size_t kL = kLanes<T>, kGroups = (R + 2) / 3;
  const Tag<T> d;
  const Tag<Packed> dp;
  hn::Vec<Tag<T>> sum[R][V];
  HWY_UNROLL(16)
  for (std::size_t r = 0; r < R; ++r) {
    HWY_UNROLL(2)
    for (std::size_t v = 0; v < V; ++v) sum[r][v] = hn::Zero(d);
  }
  const Packed* rows[kGroups];
  HWY_UNROLL(16)
  for (std::size_t g = 0; g < kGroups; ++g) rows[g] = a + 3 * g * row_stride;

  prefetch_tile(c, ldc, R, K);
  for (std::size_t k = 0; k < K; ++k) {
    hn::Vec<Tag<Packed>> b_k[V];
    HWY_UNROLL(2)
    for (std::size_t v = 0; v < V; ++v) b_k[v] = hn::LoadU(dp, b + v * kL);
    HWY_UNROLL(16)
    for (std::size_t r = 0; r < R; ++r) {
      const auto a_r = hn::Set(dp, rows[r / 3][(r % 3) * row_stride]);
      HWY_UNROLL(2)
      for (std::size_t v = 0; v < V; ++v) sum[r][v] = F::multiply_add(a_r, b_k[v], sum[r][v]);
    }
    b += b_stride;
    HWY_UNROLL(16)
    for (std::size_t g = 0; g < kGroups; ++g) rows[g] += k_stride;
  }

  if (n == V * kL) {
    HWY_UNROLL(16)
    for (std::size_t r = 0; r < R; ++r) {
      HWY_UNROLL(2)
      for (std::size_t v = 0; v < V; ++v) {
        if (add.data) sum[r][v] = hn::Add(hn::LoadU(d, add.data + r * add.row_stride + v * kL), sum[r][v]);
        hn::StoreU(sum[r][v], d, c + r * ldc + v * kL);
      }
    }
    return;
  }
  const std::size_t last = n - (V - 1) * kL;
  HWY_UNROLL(16)
  for (std::size_t r = 0; r < R; ++r) {
    HWY_UNROLL(2)
    for (std::size_t v = 0; v < V; ++v) {
      const std::size_t count = v + 1 < V ? kL : last;
      if (add.data) sum[r][v] = hn::Add(load_partial(d, add.data + r * add.row_stride + v * kL, count), sum[r][v]);
      store_partial(sum[r][v], d, c + r * ldc + v * kL, count);
    }
  }
}

template <class F>
struct TileTable {
  using Function = void (*)(typename F::Element*, std::size_t, const typename F::Packed*, std::size_t, std::size_t,
                            const typename F::Packed*, std::size_t, std::size_t, std::size_t,
                            Addend<typename F::Element>);
  Function of[kTileRows][2] = {};

  template <std::size_t R>
  constexpr void fill() {
    of[R - 1][0] = gemm_tile<F, R, 1>;
    of[R - 1][1] = gemm_tile<F, R, 2>;
    if constexpr (R > 1) fill<R - 1>();
  }
  constexpr TileTable() { fill<kTileRows>(); }
};

template <class F>
inline constexpr TileTable<F> kTiles{};

// Where a tile finds its rows of A: as they lie, or copied into a scratch, the next ones being fetched meanwhile.
template <class F>
struct RowsInPlace {
  const typename F::Packed* a;
  std::size_t row_stride, k_stride;

  HWY_INLINE const typename F::Packed* rows(std::size_t m, std::size_t k, std::size_t, std::size_t) const {
    return a + m * row_stride + k * k_stride;
  }
  HWY_INLINE void before_tile() {}
};

template <class F>
struct RowsCopied {
  const typename F::Element* a;
  std::size_t a_row_stride, a_k_stride, M, num_tiles;
  typename F::Packed* scratch;
  bool by_rows = a_k_stride == 1;
  std::size_t row_stride = by_rows ? kCopiedRowStride<F> : 1, k_stride = by_rows ? 1 : kCopiedDepthStride<F>;
  BlockPrefetch prefetch = {};

  HWY_INLINE const typename F::Packed* rows(std::size_t m, std::size_t k, std::size_t count, std::size_t depth) {
    const typename F::Element* panel = a + m * a_row_stride + k * a_k_stride;
    const std::size_t stride = by_rows ? a_row_stride : a_k_stride, left = M - m - count;
    F::copy_rows(scratch, panel, stride, by_rows, count, depth);
    const std::size_t next = left < kTileRows ? left : kTileRows;
    prefetch =
        BlockPrefetch(panel + count * a_row_stride, stride, by_rows ? next : depth, by_rows ? depth : next, num_tiles);
    return scratch;
  }
  HWY_INLINE void before_tile() { prefetch(); }
};

// Where it finds B: packed, or as it lies.
template <class F>
struct PanelsPacked {
  const typename F::Packed* b;
  std::size_t padded;

  HWY_INLINE const typename F::Packed* panel(std::size_t k, std::size_t n, std::size_t depth) const {
    return b + stored<F>(k) * padded + n * stored<F>(depth);
  }
  HWY_INLINE std::size_t stride(std::size_t width) const { return width; }
};

template <class F>
struct PanelsInPlace {
  const typename F::Packed* b;
  std::size_t ldb;

  HWY_INLINE const typename F::Packed* panel(std::size_t k, std::size_t n, std::size_t) const {
    return b + k * ldb + n;
  }
  HWY_INLINE std::size_t stride(std::size_t) const { return ldb; }
};

template <class F, class Rows, class Panels>
HWY_INLINE void gemm_blocks(typename F::Element* c, std::size_t ldc, Rows a, Panels b, std::size_t M, std::size_t N,
                            std::size_t K, Addend<typename F::Element> add) {
  using T = typename F::Element;
  for (std::size_t k = 0; k < K; k += F::kDepth) {
    const std::size_t depth = block_depth<F>(K, k);
    for (std::size_t m = 0; m < M; m += kTileRows) {
      const std::size_t rows = M - m < kTileRows ? M - m : kTileRows;
      const typename F::Packed* const panel_of_a = a.rows(m, k, rows, depth);
      for (std::size_t n = 0; n < N;) {
        a.before_tile();
        const std::size_t width = panel_width<T>(N - n), columns = N - n < width ? N - n : width;
        T* const out = c + m * ldc + n;
        kTiles<F>.of[rows - 1][width / kLanes<T> - 1](out, ldc, panel_of_a, a.row_stride, a.k_stride,
                                                      b.panel(k, n, depth), b.stride(width), stored<F>(depth), columns,
                                                      k > 0 ? Addend<T>{out, ldc} : shifted(add, m, n));
        n += width;
      }
    }
  }
}

template <class F>
PanelsPacked<F> panels_of(const typename F::Element* packed_b, std::size_t N) {
  return {reinterpret_cast<const typename F::Packed*>(packed_b), padded_columns<typename F::Element>(N)};
}

template <class F, class T = typename F::Element>
void gemm(T* c, std::size_t ldc, const T* a, std::size_t row_stride, std::size_t k_stride, const T* packed_b,
          std::size_t M, std::size_t N, std::size_t K, Addend<T> add) {
  gemm_blocks<F>(c, ldc, RowsInPlace<F>{a, row_stride, k_stride}, panels_of<F>(packed_b, N), M, N, K, add);
}

template <class F, class T = typename F::Element>
void gemm_copying(T* c, std::size_t ldc, const T* a, std::size_t row_stride, std::size_t k_stride, const T* packed_b,
                  std::size_t M, std::size_t N, std::size_t K, Addend<T> add, T* scratch) {
  const std::size_t num_tiles = (N + 2 * kLanes<T> - 1) / (2 * kLanes<T>);
  const RowsCopied<F> rows{a, row_stride, k_stride, M, num_tiles, reinterpret_cast<typename F::Packed*>(scratch)};
  gemm_blocks<F>(c, ldc, rows, panels_of<F>(packed_b, N), M, N, K, add);
}

template <class F, class T = typename F::Element>
void gemm_unpacked(T* c, std::size_t ldc, const T* a, std::size_t row_stride, std::size_t k_stride, const T* b,
                   std::size_t ldb, std::size_t M, std::size_t N, std::size_t K, Addend<T> add) {
  gemm_blocks<F>(c, ldc, RowsInPlace<F>{a, row_stride, k_stride}, PanelsInPlace<F>{b, ldb}, M, N, K, add);
}

template <class F, class T = typename F::Element>
constexpr GemmKernels<T> gemm_kernels() {
  GemmKernels<T> k{};
  k.rows = kTileRows;
  k.columns = 2 * kLanes<T>;
  k.vector = kLanes<T>;
  k.max_depth = F::kDepth;
  k.depth_per_element = F::kDepthPerPacked;
  k.packed_b_size = packed_b_size<F>;
  k.pack_b = pack_b<F>;
  k.gemm_copying = gemm_copying<F>;
  k.packed_a_size = kCopiedSize<F>;
  if constexpr (F::kDepthPerPacked == 1) {
    k.gemm = gemm<F>;
    k.gemm_unpacked = gemm_unpacked<F>;
    k.gemv = gemv<T>;
    k.panel_columns = kPanelColumns<T>;
    k.pack_panels = pack_panels<T>;
    k.gemv_panels = gemv_panels<T>;
  }
  return k;
}

}  // namespace HWY_NAMESPACE
}  // namespace minimoe
HWY_AFTER_NAMESPACE();
