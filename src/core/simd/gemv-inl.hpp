// SPDX-License-Identifier: Apache-2.0
// One row times a transposed matrix: a linear layer of one token. Where nothing was packed, squares of B are turned in
// registers as they are read, once. For weights that many tokens will read there are panels: memory is read in one
// sweep, which is a quarter faster. The sums are those of a gemm tile (gemm-inl.hpp), in its order, so that a token has
// the same bits alone as among others.
#pragma once

#include "core/simd/gemm_pack-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace minimoe {
namespace HWY_NAMESPACE {

// sum[v] += a [kDepth] times the V vectors of columns that begin at b. A line of a row is consumed at once, whatever
// the stride does to the cache; `ahead` elements behind it, one is fetched.
template <std::size_t V, std::size_t kDepth, class T>
HWY_INLINE void gemv_step(hn::Vec<Tag<T>> (&sum)[V], const T* a, const T* b, std::size_t ldb, std::size_t ahead) {
  constexpr std::size_t kL = kLanes<T>, kS = kSquare<T>;
  const Tag<T> d;
  alignas(64) T rows[V][kDepth * kL];
  HWY_UNROLL(2)
  for (std::size_t v = 0; v < V; ++v) {
    for (std::size_t n = 0; n < kL; n += kS) {
      const T* const line = b + (v * kL + n) * ldb;
      for (std::size_t r = 0; r < kS; ++r) __builtin_prefetch(line + r * ldb + ahead, 0, 2);
      for (std::size_t i = 0; i < kDepth; i += kS) transpose_square(rows[v] + i * kL + n, kL, line + i, ldb);
    }
  }
  HWY_UNROLL(16)
  for (std::size_t i = 0; i < kDepth; ++i) {
    const auto a_i = hn::Set(d, a[i]);
    HWY_UNROLL(2)
    for (std::size_t v = 0; v < V; ++v) sum[v] = hn::MulAdd(a_i, hn::Load(d, rows[v] + i * kL), sum[v]);
  }
}

// c [columns] for V vectors of columns, columns <= V * lanes. Column n of B lies at b + n * ldb.
template <std::size_t V, bool kWhole, class T>
HWY_INLINE void gemv_tile(T* c, const T* a, const T* b, std::size_t ldb, std::size_t columns, std::size_t K,
                          const T* add, std::size_t ahead) {
  constexpr std::size_t kL = kLanes<T>, kS = kSquare<T>, kBlock = PlainFormat<T>::kDepth, kLine = 64 / sizeof(T);
  static_assert(kLine % kS == 0);
  const Tag<T> d;
  hn::Vec<Tag<T>> total[V];
  HWY_UNROLL(2)
  for (std::size_t v = 0; v < V; ++v) total[v] = hn::Zero(d);
  for (std::size_t begin = 0; begin < K; begin += kBlock) {
    const std::size_t end = K - begin < kBlock ? K : begin + kBlock;
    hn::Vec<Tag<T>> sum[V];
    HWY_UNROLL(2)
    for (std::size_t v = 0; v < V; ++v) sum[v] = hn::Zero(d);
    std::size_t turned = begin;
    for (; kWhole && turned + kLine <= end; turned += kLine)
      gemv_step<V, kLine>(sum, a + turned, b + turned, ldb, ahead);
    for (; kWhole && turned + kS <= end; turned += kS) gemv_step<V, kS>(sum, a + turned, b + turned, ldb, ahead);
    for (std::size_t k = turned; k < end; ++k) {
      alignas(64) T row[V * kL] = {};
      for (std::size_t n = 0; n < columns; ++n) row[n] = b[n * ldb + k];
      for (std::size_t v = 0; v < V; ++v) {
        sum[v] = hn::MulAdd(hn::Set(d, a[k]), hn::Load(d, row + v * kL), sum[v]);
      }
    }
    HWY_UNROLL(2)
    for (std::size_t v = 0; v < V; ++v) {
      if (begin > 0) {
        total[v] = hn::Add(total[v], sum[v]);
      } else if (add) {
        total[v] = hn::Add(load_partial(d, add + v * kL, columns - v * kL), sum[v]);
      } else {
        total[v] = sum[v];
      }
    }
  }
  HWY_UNROLL(2)
  for (std::size_t v = 0; v < V; ++v) store_partial(total[v], d, c + v * kL, columns - v * kL);
}

template <class T>
void gemv(T* c, const T* a, const T* b, std::size_t ldb, std::size_t N, std::size_t K, const T* add) {
  constexpr std::size_t kL = kLanes<T>;
  // What is fetched meanwhile: the next tile, or, where that is more than the second-level cache likes, further on in
  // the same rows.
  const std::size_t ahead = ldb * 2 * kL * sizeof(T) <= (std::size_t{1} << 18) ? ldb * 2 * kL : 512 / sizeof(T);
  std::size_t n = 0;
  for (; n + 2 * kL <= N; n += 2 * kL) {
    gemv_tile<2, true>(c + n, a, b + n * ldb, ldb, 2 * kL, K, add ? add + n : add, ahead);
  }
  for (std::size_t left = N - n; left > 0; left = N - n) {
    if (left < kL && n > 0) n = N - kL;  // a whole vector, whose first columns come out again as they are
    if (N - n >= kL) {
      gemv_tile<1, true>(c + n, a, b + n * ldb, ldb, kL, K, add ? add + n : add, ahead);
      n += kL;
    } else {
      gemv_tile<1, false>(c + n, a, b + n * ldb, ldb, N - n, K, add ? add + n : add, ahead);
      n = N;
    }
  }
}

// Vectors that a panel is wide: all sums, and what they need besides, stay in 16 registers.
inline constexpr std::size_t kPanelVectors = 8;
template <class T>
inline constexpr std::size_t kPanelColumns = kPanelVectors* kLanes<T>;

/// Vectors that the panel has in which `columns` are left.
template <class T>
constexpr std::size_t panel_vectors(std::size_t columns) {
  return columns >= kPanelColumns<T> ? kPanelVectors : (columns + kLanes<T> - 1) / kLanes<T>;
}

template <class T>
void pack_panels(T* dst, const T* b, std::size_t ldb, std::size_t N, std::size_t K) {
  for (std::size_t n = 0; n < N; n += kPanelColumns<T>) {
    const std::size_t width = panel_vectors<T>(N - n) * kLanes<T>, columns = N - n < width ? N - n : width;
    pack_panel_transposed<false>(dst, width, b + n * ldb, ldb, columns, K);
    dst += width * K;
  }
}

// c [columns] for one panel of V vectors.
template <std::size_t V, class T>
void gemv_panel(T* c, const T* a, const T* panel, std::size_t columns, std::size_t K, const T* add) {
  constexpr std::size_t kL = kLanes<T>, kBlock = PlainFormat<T>::kDepth;
  const Tag<T> d;
  for (std::size_t begin = 0; begin < K; begin += kBlock) {
    const std::size_t end = K - begin < kBlock ? K : begin + kBlock;
    hn::Vec<Tag<T>> sum[V];
    HWY_UNROLL(8)
    for (std::size_t v = 0; v < V; ++v) sum[v] = hn::Zero(d);
    for (std::size_t k = begin; k < end; ++k) {
      const auto a_k = hn::Set(d, a[k]);
      HWY_UNROLL(8)
      for (std::size_t v = 0; v < V; ++v) sum[v] = hn::MulAdd(a_k, hn::Load(d, panel + v * kL), sum[v]);
      panel += V * kL;
    }
    const T* const start = begin > 0 ? c : add;
    HWY_UNROLL(8)
    for (std::size_t v = 0; v < V; ++v) {
      const std::size_t count = columns - v * kL;
      if (start) sum[v] = hn::Add(load_partial(d, start + v * kL, count), sum[v]);
      store_partial(sum[v], d, c + v * kL, count);
    }
  }
}

template <class T>
struct PanelTable {
  using Function = void (*)(T*, const T*, const T*, std::size_t, std::size_t, const T*);
  Function of[kPanelVectors] = {};

  template <std::size_t V>
  constexpr void fill() {
    of[V - 1] = gemv_panel<V, T>;
    if constexpr (V > 1) fill<V - 1>();
  }
  constexpr PanelTable() { fill<kPanelVectors>(); }
};

template <class T>
inline constexpr PanelTable<T> kPanels{};

template <class T>
void gemv_panels(T* c, const T* a, const T* panels, std::size_t N, std::size_t K, const T* add) {
  for (std::size_t n = 0; n < N; n += kPanelColumns<T>) {
    const std::size_t vectors = panel_vectors<T>(N - n), width = vectors * kLanes<T>;
    kPanels<T>.of[vectors - 1](c + n, a, panels + n * K, N - n < width ? N - n : width, K, add ? add + n : add);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace minimoe
HWY_AFTER_NAMESPACE();
