// SPDX-License-Identifier: Apache-2.0
// Matrix product of float matrices in bfloat16 with float accumulation: the operands are rounded to nearest even while
// they are packed, two consecutive k to a 32-bit pair. What VDPBF16PS computes, with or without the instruction: in
// every lane c + a1 b1, rounded, + a0 b0, rounded (a product of two bfloat16 is exact in float), so that all
// instruction sets give the same bits. Only below the smallest normal float, which the instruction flushes to zero,
// they may not.
//
// As in gemm-inl.hpp an element of C is the sum over ascending blocks of kBf16Depth, each added to C once.
#pragma once

#include "core/simd/gemm-inl.hpp"
#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

HWY_BEFORE_NAMESPACE();
namespace minimoe {
namespace HWY_NAMESPACE {
// For AVX-512 compiled with and without its bfloat16 instructions: in one namespace the linker would keep one of both.
#if defined(__AVX512BF16__)
namespace bf16_native {
#else
namespace bf16_emulated {
#endif

using Pair = std::uint32_t;  // bfloat16 of the even k in the lower half, of the odd k in the upper
using PairTag = Tag<Pair>;
using FloatTag = Tag<float>;
using PairVec = hn::Vec<PairTag>;
using FloatVec = hn::Vec<FloatTag>;

inline constexpr std::size_t kL = kLanes<float>;

/// The nearest bfloat16 in the upper half, zeros below.
HWY_INLINE PairVec rounded(FloatVec x) {
  const PairTag d;
  const Tag<std::int32_t> di;
  const auto bits = hn::BitCast(d, x);
  const auto magnitude = hn::BitCast(di, hn::And(bits, hn::Set(d, 0x7fffffffu)));
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(d, 1u));
  auto result = hn::Add(bits, hn::Add(odd, hn::Set(d, 0x7fffu)));
  const auto nan = hn::RebindMask(d, hn::Gt(magnitude, hn::Set(di, 0x7f800000)));
  const auto subnormal = hn::RebindMask(d, hn::Gt(hn::Set(di, 0x00800000), magnitude));
  result = hn::IfThenElse(nan, hn::Or(bits, hn::Set(d, 0x00400000u)), result);
  result = hn::IfThenElse(subnormal, hn::And(bits, hn::Set(d, 0x80000000u)), result);
  return hn::And(result, hn::Set(d, 0xffff0000u));
}

HWY_INLINE PairVec pair_up(FloatVec even, FloatVec odd) {
#if defined(__AVX512BF16__)
  const __m512i lower = _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(even.raw)));
  const __m512i upper = _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(odd.raw)));
  return PairVec{_mm512_or_si512(lower, _mm512_slli_epi32(upper, 16))};
#else
  return hn::Or(hn::ShiftRight<16>(rounded(even)), rounded(odd));
#endif
}

/// dst[i] = the pair of x[2 i] and x[2 i + 1], i < (n + 1) / 2; what is missing at the end is 0.
HWY_INLINE void pair_up_row(Pair* dst, const float* x, std::size_t n) {
  const FloatTag d;
  const PairTag dp;
  for (std::size_t i = 0; i < n; i += 2 * kL) {
    const std::size_t left = n - i;
    const auto low = load_partial(d, x + i, left < kL ? left : kL);
    const auto high = left > kL ? load_partial(d, x + i + kL, left - kL < kL ? left - kL : kL) : hn::Zero(d);
#if defined(__AVX512BF16__)
    const PairVec pairs{reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high.raw, low.raw))};
#elif HWY_TARGET == HWY_SCALAR
    const PairVec pairs = pair_up(low, high);
#else
    const PairVec pairs = pair_up(hn::ConcatEven(d, high, low), hn::ConcatOdd(d, high, low));
#endif
    store_partial(pairs, dp, dst + i / 2, left < 2 * kL ? (left + 1) / 2 : kL);
  }
}

struct Format {
  using Element = float;
  using Packed = Pair;
  static constexpr std::size_t kDepth = 512, kDepthPerPacked = 2;  // even: a pair never straddles two blocks

  static HWY_INLINE FloatVec multiply_add(PairVec a, PairVec b, FloatVec sum) {
#if defined(__AVX512BF16__)
    return FloatVec{_mm512_dpbf16_ps(sum.raw, reinterpret_cast<__m512bh>(a.raw), reinterpret_cast<__m512bh>(b.raw))};
#else
    const FloatTag d;
    const auto upper = hn::Set(PairTag(), 0xffff0000u);
    sum = hn::MulAdd(hn::BitCast(d, hn::And(a, upper)), hn::BitCast(d, hn::And(b, upper)), sum);
    return hn::MulAdd(hn::BitCast(d, hn::ShiftLeft<16>(a)), hn::BitCast(d, hn::ShiftLeft<16>(b)), sum);
#endif
  }

  /// dst[pair * width + n]
  static HWY_INLINE void pack_panel(Pair* dst, std::size_t width, const float* b, std::size_t k_stride,
                                    std::size_t n_stride, std::size_t columns, std::size_t depth) {
    const FloatTag d;
    if (n_stride == 1) {
      for (std::size_t k = 0; k < depth; k += 2, dst += width) {
        const float* even = b + k * k_stride;
        for (std::size_t n = 0; n < width; n += kL) {
          const std::size_t count = columns <= n ? 0 : columns - n < kL ? columns - n : kL;
          const auto second = k + 1 < depth ? load_partial(d, even + k_stride + n, count) : hn::Zero(d);
          hn::Store(pair_up(load_partial(d, even + n, count), second), PairTag(), dst + n);
        }
      }
      return;
    }
    constexpr std::size_t kRun = 16;  // pairs of a column at a time: two cache lines
    alignas(64) Pair run[2 * kL * kRun];
    alignas(64) float gathered[2 * kRun];
    for (std::size_t k = 0; k < depth; k += 2 * kRun) {
      const std::size_t count = depth - k < 2 * kRun ? depth - k : 2 * kRun;
      for (std::size_t n = 0; n < columns; ++n) {
        const float* column = b + k * k_stride + n * n_stride;
        if (k_stride != 1) {
          for (std::size_t i = 0; i < count; ++i) gathered[i] = column[i * k_stride];
          column = gathered;
        }
        pair_up_row(run + n * kRun, column, count);
      }
      pack_panel_transposed<false>(dst + k / 2 * width, width, run, kRun, columns, (count + 1) / 2);
    }
  }

  static HWY_INLINE void copy_rows(Pair* dst, const float* a, std::size_t stride, bool by_rows, std::size_t rows,
                                   std::size_t depth) {
    if (by_rows) {
      for (std::size_t r = 0; r < rows; ++r) pair_up_row(dst + r * kCopiedRowStride<Format>, a + r * stride, depth);
      return;
    }
    const FloatTag d;
    for (std::size_t k = 0; k < depth; k += 2, dst += kCopiedDepthStride<Format>) {
      const float* even = a + k * stride;
      for (std::size_t r = 0; r < rows; r += kL) {
        const std::size_t count = rows - r < kL ? rows - r : kL;
        const auto second = k + 1 < depth ? load_partial(d, even + stride + r, count) : hn::Zero(d);
        hn::Store(pair_up(load_partial(d, even + r, count), second), PairTag(), dst + r);
      }
    }
  }
};

}  // namespace bf16_native, bf16_emulated
}  // namespace HWY_NAMESPACE
}  // namespace minimoe
HWY_AFTER_NAMESPACE();
