// SPDX-License-Identifier: Apache-2.0
// What attention does to a tile of scores between its matrix products. Row i of a tile attends to its first
// first_count + i keys; the rest, up to num_keys, becomes exact zeros, so that a later key changes no bit.
#pragma once

#include "core/simd/rows-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace minimoe {
namespace HWY_NAMESPACE {

template <class T>
HWY_INLINE void zero_fill(T* x, std::size_t begin, std::size_t end) {
  const Tag<T> d;
  for_vectors<T>(end - begin,
                 [&](std::size_t i, std::size_t m) HWY_ATTR { store_partial(hn::Zero(d), d, x + begin + i, m); });
}

template <class T>
void causal_softmax_tile(T* scores, std::size_t stride, std::size_t num_rows, std::size_t first_count,
                         std::size_t num_keys, T scale, T* max, T* sum) {
  const Tag<T> d;
  const auto factor = hn::Set(d, scale);
  for (std::size_t r = 0; r < num_rows; ++r, scores += stride) {
    const std::size_t count = first_count + r;
    const T top = row_max(scores, count) * scale;
    const auto shift = hn::Set(d, top);
    auto total = hn::Zero(d);
    for_vectors<T>(count, [&](std::size_t i, std::size_t m) HWY_ATTR {
      auto e = exp_nonpositive(d, hn::MulSub(load_partial(d, scores + i, m), factor, shift));
      if (m < kLanes<T>) e = hn::IfThenElseZero(hn::FirstN(d, m), e);
      store_partial(e, d, scores + i, m);
      total = hn::Add(total, e);
    });
    zero_fill(scores, count, num_keys);
    max[r] = top;
    sum[r] = sum_of_lanes<T>(total);
  }
}

template <class T>
void causal_softmax_backward_tile(T* scores, T* d_probs, std::size_t stride, std::size_t num_rows,
                                  std::size_t first_count, std::size_t num_keys, T scale, const T* lse,
                                  const T* delta) {
  const Tag<T> d;
  const auto factor = hn::Set(d, scale);
  for (std::size_t r = 0; r < num_rows; ++r, scores += stride, d_probs += stride) {
    const std::size_t count = first_count + r;
    const auto shift = hn::Set(d, lse[r]), mean = hn::Set(d, delta[r]);
    for_vectors<T>(count, [&](std::size_t i, std::size_t m) HWY_ATTR {
      const auto p = exp_nonpositive(d, hn::MulSub(load_partial(d, scores + i, m), factor, shift));
      const auto g = hn::Mul(hn::Mul(p, factor), hn::Sub(load_partial(d, d_probs + i, m), mean));
      store_partial(p, d, scores + i, m);
      store_partial(g, d, d_probs + i, m);
    });
    zero_fill(scores, count, num_keys);
    zero_fill(d_probs, count, num_keys);
  }
}

template <class T>
void divide_rows(T* x, std::size_t stride, std::size_t num_rows, std::size_t n, const T* divisor) {
  const Tag<T> d;
  for (std::size_t r = 0; r < num_rows; ++r, x += stride) {
    const auto factor = hn::Set(d, T(1) / divisor[r]);
    map(
        n, x, [factor](auto v) HWY_ATTR { return hn::Mul(v, factor); }, x);
  }
}

template <class T>
void row_dots(T* dots, const T* a, const T* b, std::size_t stride, std::size_t num_rows, std::size_t n) {
  const Tag<T> d;
  for (std::size_t r = 0; r < num_rows; ++r, a += stride, b += stride) {
    auto sum = hn::Zero(d);
    for_vectors<T>(n, [&](std::size_t i, std::size_t m)
                          HWY_ATTR { sum = hn::MulAdd(load_partial(d, a + i, m), load_partial(d, b + i, m), sum); });
    dots[r] = sum_of_lanes<T>(sum);
  }
}

template <class T>
constexpr void add_attention_kernels(Kernels<T>& k) {
  k.causal_softmax_tile = causal_softmax_tile<T>;
  k.causal_softmax_backward_tile = causal_softmax_backward_tile<T>;
  k.divide_rows = divide_rows<T>;
  k.row_dots = row_dots<T>;
}

}  // namespace HWY_NAMESPACE
}  // namespace minimoe
HWY_AFTER_NAMESPACE();
