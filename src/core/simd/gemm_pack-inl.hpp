// SPDX-License-Identifier: Apache-2.0
// Operands as the tiles of gemm-inl.hpp read them, in a format F: F::Element is what a matrix has, F::Packed what is
// stored, F::kDepthPerPacked consecutive k in one. Packed B: blocks of F::kDepth rows; in a block, panels of 2 vectors
// of columns (the last of 1 when that is enough), each stored row after row and padded with zeros. Copied A:
// `kTileRows` rows of one block, in whichever order they came.
#pragma once

#include "core/simd/lanes-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace minimoe {
namespace HWY_NAMESPACE {

// The tile that the registers hold: accumulators, one row of B, and a broadcast element of A.
#if HWY_TARGET == HWY_AVX3
inline constexpr std::size_t kTileRows = 12;
#elif HWY_TARGET == HWY_AVX2
inline constexpr std::size_t kTileRows = 6;
#elif HWY_TARGET == HWY_NEON
inline constexpr std::size_t kTileRows = 8;
#else
inline constexpr std::size_t kTileRows = 4;
#endif

template <class T>
constexpr std::size_t padded_columns(std::size_t N) {
  return (N + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
}

template <class T>
constexpr std::size_t panel_width(std::size_t columns_left) {
  return columns_left > kLanes<T> ? 2 * kLanes<T> : kLanes<T>;
}

/// What a packed column of `depth` k has.
template <class F>
constexpr std::size_t stored(std::size_t depth) {
  return (depth + F::kDepthPerPacked - 1) / F::kDepthPerPacked;
}

/// The largest block of k that begins at k.
template <class F>
constexpr std::size_t block_depth(std::size_t K, std::size_t k) {
  return K - k < F::kDepth ? K - k : F::kDepth;
}

template <class F>
std::size_t packed_b_size(std::size_t K, std::size_t N) {
  return stored<F>(K) * padded_columns<typename F::Element>(N);
}

// dst[j * dst_stride + i] = src[i * src_stride + j] for a square of kSquare<T> elements a side.
#if HWY_TARGET == HWY_SCALAR
template <class T>
inline constexpr std::size_t kSquare = 1;
template <class T>
HWY_INLINE void transpose_square(T* dst, std::size_t, const T* src, std::size_t) {
  *dst = *src;
}
#else
template <class T>
inline constexpr std::size_t kSquare = sizeof(T) == 4 ? kLanes<T> : 16 / sizeof(T);

/// Four rows become, in each block of 16 bytes, four columns.
template <class D, class V>
HWY_INLINE void transpose_blocks(D d, V& r0, V& r1, V& r2, V& r3) {
  const auto t0 = hn::InterleaveLower(d, r0, r2), t1 = hn::InterleaveLower(d, r1, r3);
  const auto t2 = hn::InterleaveUpper(d, r0, r2), t3 = hn::InterleaveUpper(d, r1, r3);
  r0 = hn::InterleaveLower(d, t0, t1);
  r1 = hn::InterleaveUpper(d, t0, t1);
  r2 = hn::InterleaveLower(d, t2, t3);
  r3 = hn::InterleaveUpper(d, t2, t3);
}

template <class T>
requires(sizeof(T) == 4) HWY_INLINE
    void transpose_square(T* dst, std::size_t dst_stride, const T* src, std::size_t src_stride) {
  const Tag<T> d;
  constexpr std::size_t kN = kSquare<T>;
  hn::Vec<Tag<T>> v[kN];
  HWY_UNROLL(16)
  for (std::size_t i = 0; i < kN; ++i) v[i] = hn::LoadU(d, src + i * src_stride);
  HWY_UNROLL(4)
  for (std::size_t i = 0; i < kN; i += 4) transpose_blocks(d, v[i], v[i + 1], v[i + 2], v[i + 3]);
  // Block j of v[4 i + c] belongs to row 4 j + c, as its block i.
  HWY_UNROLL(4)
  for (std::size_t c = 0; c < 4; ++c) {
    T* const out = dst + c * dst_stride;
    if constexpr (kN == 16) {
      const auto a = v[c], b = v[4 + c], e = v[8 + c], f = v[12 + c];
      const auto ab_even = hn::OddEvenBlocks(hn::SwapAdjacentBlocks(b), a);
      const auto ab_odd = hn::OddEvenBlocks(b, hn::SwapAdjacentBlocks(a));
      const auto ef_even = hn::OddEvenBlocks(hn::SwapAdjacentBlocks(f), e);
      const auto ef_odd = hn::OddEvenBlocks(f, hn::SwapAdjacentBlocks(e));
      hn::StoreU(hn::ConcatLowerLower(d, ef_even, ab_even), d, out);
      hn::StoreU(hn::ConcatLowerLower(d, ef_odd, ab_odd), d, out + 4 * dst_stride);
      hn::StoreU(hn::ConcatUpperUpper(d, ef_even, ab_even), d, out + 8 * dst_stride);
      hn::StoreU(hn::ConcatUpperUpper(d, ef_odd, ab_odd), d, out + 12 * dst_stride);
    } else if constexpr (kN == 8) {
      hn::StoreU(hn::ConcatLowerLower(d, v[4 + c], v[c]), d, out);
      hn::StoreU(hn::ConcatUpperUpper(d, v[4 + c], v[c]), d, out + 4 * dst_stride);
    } else {
      hn::StoreU(v[c], d, out);
    }
  }
}

HWY_INLINE void transpose_square(double* dst, std::size_t dst_stride, const double* src, std::size_t src_stride) {
  const hn::Full128<double> d;
  const auto r0 = hn::LoadU(d, src), r1 = hn::LoadU(d, src + src_stride);
  hn::StoreU(hn::InterleaveLower(d, r0, r1), d, dst);
  hn::StoreU(hn::InterleaveUpper(d, r0, r1), d, dst + dst_stride);
}
#endif

/// Into the second-level cache: a panel is read once, and what is packed after it lies behind it. Past the end of the
/// matrix the line is of no use and does no harm.
template <class T>
HWY_INLINE void prefetch_next_panel(const T* line) {
  __builtin_prefetch(line, 0, 2);
}

// dst[k * width + n] = src[n * n_stride + k], n < columns, k < depth. kPrefetch: the next panel is the next columns.
template <bool kPrefetch, class T>
HWY_INLINE void pack_panel_transposed(T* dst, std::size_t width, const T* src, std::size_t n_stride,
                                      std::size_t columns, std::size_t depth) {
  constexpr std::size_t kLine = 64 / sizeof(T);
  const std::size_t whole_columns = columns / kSquare<T> * kSquare<T>, whole_depth = depth / kSquare<T> * kSquare<T>;
  for (std::size_t k = 0; k < whole_depth; k += kLine) {
    const std::size_t end = k + kLine <= whole_depth ? k + kLine : whole_depth;
    for (std::size_t n = 0; n < whole_columns; n += kSquare<T>) {
      for (std::size_t r = n; kPrefetch && r < n + kSquare<T>; ++r) {
        prefetch_next_panel(src + (r + width) * n_stride + k);
      }
      // A line of the source is consumed at once, whatever the stride does to the cache.
      for (std::size_t i = k; i < end; i += kSquare<T>) {
        transpose_square(dst + i * width + n, width, src + n * n_stride + i, n_stride);
      }
    }
  }
  for (std::size_t n = 0; n < columns; ++n) {
    for (std::size_t i = n < whole_columns ? whole_depth : 0; i < depth; ++i)
      dst[i * width + n] = src[n * n_stride + i];
  }
  for (std::size_t i = 0; columns < width && i < depth; ++i) {
    for (std::size_t n = columns; n < width; ++n) dst[i * width + n] = T{0};
  }
}

template <class F>
void pack_b(typename F::Element* packed, const typename F::Element* b, std::size_t k_stride, std::size_t n_stride,
            std::size_t K, std::size_t N) {
  auto* dst = reinterpret_cast<typename F::Packed*>(packed);
  for (std::size_t k = 0; k < K; k += F::kDepth) {
    const std::size_t depth = block_depth<F>(K, k);
    for (std::size_t n = 0; n < N;) {
      const std::size_t width = panel_width<typename F::Element>(N - n), columns = N - n < width ? N - n : width;
      F::pack_panel(dst, width, b + k * k_stride + n * n_stride, k_stride, n_stride, columns, depth);
      dst += stored<F>(depth) * width;
      n += width;
    }
  }
}

/// Fetches the rows of a tile of C, which are written after `depth` further rounds, if there is time to.
template <class T>
HWY_INLINE void prefetch_tile(const T* c, std::size_t ldc, std::size_t rows, std::size_t depth) {
  if (depth < 32) return;
  for (std::size_t r = 0; r < rows; ++r) {
    __builtin_prefetch(c + r * ldc, 1);
    if (2 * kLanes<T> * sizeof(T) > 64) __builtin_prefetch(c + r * ldc + kLanes<T>, 1);
  }
}

/// Fetches a block of `outer` rows of `inner` elements, a few cache lines at each of num_calls calls: the rows of A
/// that are copied next, during the products of the present ones.
class BlockPrefetch {
 public:
  BlockPrefetch() = default;
  template <class T>
  HWY_INLINE BlockPrefetch(const T* x, std::size_t stride, std::size_t outer, std::size_t inner, std::size_t num_calls)
      : at_(reinterpret_cast<const char*>(x)),
        stride_(stride * sizeof(T)),
        row_bytes_(inner * sizeof(T)),
        rows_left_(outer),
        per_call_((outer * ((row_bytes_ + 63) / 64) + num_calls - 1) / num_calls) {}

  HWY_INLINE void operator()() {
    for (std::size_t i = 0; i < per_call_ && rows_left_ > 0; ++i) {
      __builtin_prefetch(at_ + offset_);
      offset_ += 64;
      if (offset_ < row_bytes_) continue;
      offset_ = 0;
      at_ += stride_;
      --rows_left_;
    }
  }

 private:
  const char* at_ = nullptr;
  std::size_t stride_ = 0, row_bytes_ = 0, rows_left_ = 0, per_call_ = 0, offset_ = 0;
};

// Rows of copied A lie an odd number of cache lines apart, so that those of a tile fall into different sets.
template <class F>
inline constexpr std::size_t kCopiedRowStride = stored<F>(F::kDepth) + 64 / sizeof(typename F::Packed);
template <class F>
inline constexpr std::size_t kCopiedDepthStride = padded_columns<typename F::Element>(kTileRows);
template <class F>
inline constexpr std::size_t kCopiedSize = kTileRows* kCopiedRowStride<F> > stored<F>(F::kDepth) * kCopiedDepthStride<F>
                                               ? kTileRows* kCopiedRowStride<F>
                                               : stored<F>(F::kDepth) * kCopiedDepthStride<F>;

/// Numbers stored as they are.
template <class T>
struct PlainFormat {
  using Element = T;
  using Packed = T;
  static constexpr std::size_t kDepth = 256, kDepthPerPacked = 1;

  static HWY_INLINE hn::Vec<Tag<T>> multiply_add(hn::Vec<Tag<T>> a, hn::Vec<Tag<T>> b, hn::Vec<Tag<T>> sum) {
    return hn::MulAdd(a, b, sum);
  }

  static HWY_INLINE void pack_panel(T* dst, std::size_t width, const T* src, std::size_t k_stride, std::size_t n_stride,
                                    std::size_t columns, std::size_t depth) {
    const Tag<T> d;
    constexpr std::size_t kL = kLanes<T>;
    if (n_stride == 1 && columns == 2 * kL) {
      for (std::size_t k = 0; k < depth; ++k) {
        prefetch_next_panel(src + k * k_stride + width);
        if (2 * kL * sizeof(T) > 64) prefetch_next_panel(src + k * k_stride + width + kL);
        hn::Store(hn::LoadU(d, src + k * k_stride), d, dst + k * width);
        hn::Store(hn::LoadU(d, src + k * k_stride + kL), d, dst + k * width + kL);
      }
    } else if (n_stride == 1) {
      const std::size_t last = columns - (width - kL);
      for (std::size_t k = 0; k < depth; ++k) {
        if (width > kL) hn::Store(hn::LoadU(d, src + k * k_stride), d, dst + k * width);
        hn::Store(load_partial(d, src + k * k_stride + width - kL, last), d, dst + k * width + width - kL);
      }
    } else if (k_stride == 1) {
      pack_panel_transposed<true>(dst, width, src, n_stride, columns, depth);
    } else {
      for (std::size_t k = 0; k < depth; ++k) {
        for (std::size_t i = 0; i < width; ++i) {
          dst[k * width + i] = i < columns ? src[k * k_stride + i * n_stride] : T{0};
        }
      }
    }
  }

  /// `stride` is the one of the two strides of A that is not 1.
  static HWY_INLINE void copy_rows(T* dst, const T* a, std::size_t stride, bool by_rows, std::size_t rows,
                                   std::size_t depth) {
    const Tag<T> d;
    constexpr std::size_t kL = kLanes<T>;
    const std::size_t outer = by_rows ? rows : depth, inner = by_rows ? depth : rows;
    const std::size_t dst_stride = by_rows ? kCopiedRowStride<PlainFormat> : kCopiedDepthStride<PlainFormat>;
    for (std::size_t o = 0; o < outer; ++o) {
      const T* from = a + o * stride;
      T* out = dst + o * dst_stride;
      std::size_t i = 0;
      for (; i + kL <= inner; i += kL) hn::Store(hn::LoadU(d, from + i), d, out + i);
      if (i < inner) hn::Store(load_partial(d, from + i, inner - i), d, out + i);
    }
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace minimoe
HWY_AFTER_NAMESPACE();
