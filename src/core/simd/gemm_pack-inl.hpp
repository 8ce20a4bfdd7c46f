// SPDX-License-Identifier: Apache-2.0
// Packed B: blocks of kDepth rows; in a block, panels of 2 vectors of columns (the last of 1 when that is enough), each
// stored row after row and padded with zeros. Copied A: `kTileRows` rows of one block, in whichever order they came.
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
inline constexpr std::size_t kDepth = 256;

template <class T>
constexpr std::size_t padded_columns(std::size_t N) {
  return (N + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
}

template <class T>
constexpr std::size_t panel_width(std::size_t columns_left) {
  return columns_left > kLanes<T> ? 2 * kLanes<T> : kLanes<T>;
}

template <class T>
std::size_t packed_b_size(std::size_t K, std::size_t N) {
  return K * padded_columns<T>(N);
}

#if HWY_TARGET != HWY_SCALAR
inline constexpr std::size_t kBlockBytes = 16;

HWY_INLINE void transpose_block(float* dst, std::size_t dst_stride, const float* src, std::size_t src_stride) {
  const hn::Full128<float> d;
  const auto r0 = hn::LoadU(d, src), r1 = hn::LoadU(d, src + src_stride);
  const auto r2 = hn::LoadU(d, src + 2 * src_stride), r3 = hn::LoadU(d, src + 3 * src_stride);
  const auto t0 = hn::InterleaveLower(d, r0, r2), t1 = hn::InterleaveLower(d, r1, r3);
  const auto t2 = hn::InterleaveUpper(d, r0, r2), t3 = hn::InterleaveUpper(d, r1, r3);
  hn::StoreU(hn::InterleaveLower(d, t0, t1), d, dst);
  hn::StoreU(hn::InterleaveUpper(d, t0, t1), d, dst + dst_stride);
  hn::StoreU(hn::InterleaveLower(d, t2, t3), d, dst + 2 * dst_stride);
  hn::StoreU(hn::InterleaveUpper(d, t2, t3), d, dst + 3 * dst_stride);
}

HWY_INLINE void transpose_block(double* dst, std::size_t dst_stride, const double* src, std::size_t src_stride) {
  const hn::Full128<double> d;
  const auto r0 = hn::LoadU(d, src), r1 = hn::LoadU(d, src + src_stride);
  hn::StoreU(hn::InterleaveLower(d, r0, r1), d, dst);
  hn::StoreU(hn::InterleaveUpper(d, r0, r1), d, dst + dst_stride);
}
#else
inline constexpr std::size_t kBlockBytes = 0;
template <class T>
HWY_INLINE void transpose_block(T*, std::size_t, const T*, std::size_t) {}
#endif

// dst[k * width + n] = src[n * n_stride + k], n < columns, k < depth.
template <class T>
HWY_INLINE void pack_panel_transposed(T* dst, std::size_t width, const T* src, std::size_t n_stride,
                                      std::size_t columns, std::size_t depth) {
  constexpr std::size_t kB = kBlockBytes / sizeof(T) > 0 ? kBlockBytes / sizeof(T) : 1;
  constexpr std::size_t kLine =
      64 / sizeof(T);  // a source line is consumed at once, whatever the stride does to the cache
  const std::size_t whole = kB > 1 ? columns / kB * kB : 0;
  std::size_t k = 0;
  for (; whole > 0 && k + kB <= depth;) {
    const std::size_t end = k + kLine <= depth ? k + kLine : depth / kB * kB;
    for (std::size_t n = 0; n < whole; n += kB) {
      for (std::size_t i = k; i < end; i += kB)
        transpose_block(dst + i * width + n, width, src + n * n_stride + i, n_stride);
    }
    k = end;
  }
  for (std::size_t n = 0; n < columns; ++n) {
    for (std::size_t i = n < whole ? k : 0; i < depth; ++i) dst[i * width + n] = src[n * n_stride + i];
  }
  for (std::size_t i = 0; columns < width && i < depth; ++i) {
    for (std::size_t n = columns; n < width; ++n) dst[i * width + n] = T{0};
  }
}

template <class T>
void pack_b(T* dst, const T* b, std::size_t k_stride, std::size_t n_stride, std::size_t K, std::size_t N) {
  const Tag<T> d;
  constexpr std::size_t kL = kLanes<T>;
  for (std::size_t k0 = 0; k0 < K; k0 += kDepth) {
    const std::size_t depth = K - k0 < kDepth ? K - k0 : kDepth;
    for (std::size_t n = 0; n < N;) {
      const std::size_t width = panel_width<T>(N - n), columns = N - n < width ? N - n : width;
      const T* src = b + k0 * k_stride + n * n_stride;
      if (n_stride == 1 && columns == 2 * kL) {
        for (std::size_t k = 0; k < depth; ++k) {
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
        pack_panel_transposed(dst, width, src, n_stride, columns, depth);
      } else {
        for (std::size_t k = 0; k < depth; ++k) {
          for (std::size_t i = 0; i < width; ++i) {
            dst[k * width + i] = i < columns ? src[k * k_stride + i * n_stride] : T{0};
          }
        }
      }
      dst += depth * width;
      n += width;
    }
  }
}

// An odd number of cache lines apart, so that the rows of a tile fall into different sets.
template <class T>
inline constexpr std::size_t kCopiedRowStride = kDepth + 64 / sizeof(T);
template <class T>
inline constexpr std::size_t kCopiedDepthStride = padded_columns<T>(kTileRows);
template <class T>
inline constexpr std::size_t kCopiedSize =
    kTileRows* kCopiedRowStride<T> > kDepth* kCopiedDepthStride<T> ? kTileRows* kCopiedRowStride<T>
                                                                   : kDepth* kCopiedDepthStride<T>;

// `stride` is the one of the two strides of A that is not 1.
template <class T>
HWY_INLINE void copy_a(T* dst, const T* a, std::size_t stride, bool by_rows, std::size_t rows, std::size_t depth) {
  const Tag<T> d;
  constexpr std::size_t kL = kLanes<T>;
  const std::size_t outer = by_rows ? rows : depth, inner = by_rows ? depth : rows;
  const std::size_t dst_stride = by_rows ? kCopiedRowStride<T> : kCopiedDepthStride<T>;
  for (std::size_t o = 0; o < outer; ++o) {
    const T* src = a + o * stride;
    T* out = dst + o * dst_stride;
    std::size_t i = 0;
    for (; i + kL <= inner; i += kL) hn::Store(hn::LoadU(d, src + i), d, out + i);
    if (i < inner) hn::Store(load_partial(d, src + i, inner - i), d, out + i);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace minimoe
HWY_AFTER_NAMESPACE();
