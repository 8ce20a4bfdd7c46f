// SPDX-License-Identifier: Apache-2.0
// Softmax, cross entropy and the norms: kernels that reduce along rows, and sums over rows for their parameters.
#pragma once

#include "core/simd/elementwise-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace minimoe {
namespace HWY_NAMESPACE {

HWY_INLINE std::size_t smaller(std::size_t a, std::size_t b) { return a < b ? a : b; }

/// Calls f(i, m) for each vector of a row of n: m elements from i on, m = lanes except perhaps in the last.
template <class T, class F>
HWY_INLINE void for_vectors(std::size_t n, F f) {
  std::size_t i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>) f(i, kLanes<T>);
  if (i < n) f(i, n - i);
}

template <class T, class V>
HWY_INLINE T sum_of_lanes(V v) {
  return hn::GetLane(hn::SumOfLanes(Tag<T>(), v));
}

template <class T>
HWY_INLINE T row_max(const T* x, std::size_t n) {
  const Tag<T> d;
  auto m = hn::Set(d, x[0]);
  std::size_t i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>) m = hn::Max(m, hn::LoadU(d, x + i));
  if (i < n) m = hn::Max(m, hn::IfThenElse(hn::FirstN(d, n - i), load_partial(d, x + i, n - i), m));
  return hn::GetLane(hn::MaxOfLanes(d, m));
}

/// y = e^(x - max), returns its sum; y may be x, or null.
template <class T>
HWY_INLINE T exp_row(T* y, const T* x, std::size_t n, T max) {
  const Tag<T> d;
  const auto shift = hn::Set(d, max);
  auto sum = hn::Zero(d);
  for_vectors<T>(n, [&](std::size_t i, std::size_t m) HWY_ATTR {
    auto e = exp_nonpositive(d, hn::Sub(load_partial(d, x + i, m), shift));
    if (m < kLanes<T>) e = hn::IfThenElseZero(hn::FirstN(d, m), e);
    if (y) store_partial(e, d, y + i, m);
    sum = hn::Add(sum, e);
  });
  return sum_of_lanes<T>(sum);
}

template <class T>
void softmax_rows(T* y, T* max, T* sum, const T* x, std::size_t num_rows, std::size_t n) {
  const Tag<T> d;
  for (std::size_t r = 0; r < num_rows; ++r, x += n, y += n) {
    const T largest = row_max(x, n), total = exp_row(y, x, n, largest);
    if (max) max[r] = largest;
    if (sum) sum[r] = total;
    const auto scale = hn::Set(d, T(1) / total);
    map(
        n, y, [scale](auto v) HWY_ATTR { return hn::Mul(v, scale); }, y);
  }
}

template <class T>
void softmax_backward_rows(T* d_x, const T* d_y, const T* y, std::size_t num_rows, std::size_t n) {
  const Tag<T> d;
  for (std::size_t r = 0; r < num_rows; ++r, d_x += n, d_y += n, y += n) {
    auto sum = hn::Zero(d);
    for_vectors<T>(n, [&](std::size_t i, std::size_t m)
                          HWY_ATTR { sum = hn::MulAdd(load_partial(d, d_y + i, m), load_partial(d, y + i, m), sum); });
    const auto mean = hn::Set(d, sum_of_lanes<T>(sum));
    map(
        n, d_x, [mean](auto g, auto p) HWY_ATTR { return hn::Mul(p, hn::Sub(g, mean)); }, d_y, y);
  }
}

template <class T>
void max_and_exp_sum(const T* x, std::size_t n, T* max, T* sum) {
  *max = row_max(x, n);
  *sum = exp_row<T>(nullptr, x, n, *max);
}

template <class T>
void scaled_exp(T* y, const T* x, std::size_t n, T shift, T scale) {
  const Tag<T> d;
  const auto by = hn::Set(d, shift), times = hn::Set(d, scale);
  map(
      n, y, [=](auto v) HWY_ATTR { return hn::Mul(times, exp_nonpositive(d, hn::Sub(v, by))); }, x);
}

template <class T>
void layer_norm_rows(T* y, T* mean_out, T* rstd_out, const T* x, const T* weight, const T* bias, std::size_t num_rows,
                     std::size_t n, T eps) {
  const Tag<T> d;
  const T inverse_n = T(1) / static_cast<T>(n);
  for (std::size_t r = 0; r < num_rows; ++r, x += n, y += n) {
    auto sum = hn::Zero(d), squares = hn::Zero(d);
    for_vectors<T>(n, [&](std::size_t i, std::size_t m) HWY_ATTR { sum = hn::Add(sum, load_partial(d, x + i, m)); });
    const T mean = sum_of_lanes<T>(sum) * inverse_n;
    const auto center = hn::Set(d, mean);
    for_vectors<T>(n, [&](std::size_t i, std::size_t m) HWY_ATTR {
      auto c = hn::Sub(load_partial(d, x + i, m), center);
      if (m < kLanes<T>) c = hn::IfThenElseZero(hn::FirstN(d, m), c);
      squares = hn::MulAdd(c, c, squares);
    });
    const auto variance = hn::Set(d, sum_of_lanes<T>(squares) * inverse_n + eps);
    const auto rstd = hn::Div(hn::Set(d, T(1)), hn::Sqrt(variance));
    if (mean_out) mean_out[r] = mean;
    if (rstd_out) rstd_out[r] = hn::GetLane(rstd);
    const auto f = [&](auto v, auto w, auto b) HWY_ATTR { return hn::MulAdd(hn::Mul(hn::Sub(v, center), rstd), w, b); };
    map(n, y, f, x, weight, bias);
  }
}

template <class T>
void layer_norm_backward_rows(T* d_x, const T* d_y, const T* x, const T* weight, const T* mean, const T* rstd,
                              std::size_t num_rows, std::size_t n) {
  const Tag<T> d;
  const T inverse_n = T(1) / static_cast<T>(n);
  for (std::size_t r = 0; r < num_rows; ++r, x += n, d_x += n, d_y += n) {
    const auto center = hn::Set(d, mean[r]), scale = hn::Set(d, rstd[r]);
    auto sum = hn::Zero(d), dot = hn::Zero(d);
    for_vectors<T>(n, [&](std::size_t i, std::size_t m) HWY_ATTR {
      const auto g = hn::Mul(load_partial(d, d_y + i, m), load_partial(d, weight + i, m));  // 0 in absent lanes
      sum = hn::Add(sum, g);
      dot = hn::MulAdd(g, hn::Mul(hn::Sub(load_partial(d, x + i, m), center), scale), dot);
    });
    const auto mean_g = hn::Set(d, sum_of_lanes<T>(sum) * inverse_n);
    const auto mean_gx = hn::Set(d, sum_of_lanes<T>(dot) * inverse_n);
    const auto f = [&](auto g, auto v, auto w) HWY_ATTR {
      const auto normalised = hn::Mul(hn::Sub(v, center), scale);
      return hn::Mul(scale, hn::NegMulAdd(normalised, mean_gx, hn::Sub(hn::Mul(g, w), mean_g)));
    };
    map(n, d_x, f, d_y, x, weight);
  }
}

template <class T>
void rms_norm_rows(T* y, T* rstd_out, const T* x, const T* weight, std::size_t num_rows, std::size_t n, T eps) {
  const Tag<T> d;
  const T inverse_n = T(1) / static_cast<T>(n);
  for (std::size_t r = 0; r < num_rows; ++r, x += n, y += n) {
    auto squares = hn::Zero(d);
    for_vectors<T>(n, [&](std::size_t i, std::size_t m) HWY_ATTR {
      const auto v = load_partial(d, x + i, m);
      squares = hn::MulAdd(v, v, squares);
    });
    const auto mean_square = hn::Set(d, sum_of_lanes<T>(squares) * inverse_n + eps);
    const auto rstd = hn::Div(hn::Set(d, T(1)), hn::Sqrt(mean_square));
    if (rstd_out) rstd_out[r] = hn::GetLane(rstd);
    map(
        n, y, [rstd](auto v, auto w) HWY_ATTR { return hn::Mul(hn::Mul(v, rstd), w); }, x, weight);
  }
}

template <class T>
void rms_norm_backward_rows(T* d_x, const T* d_y, const T* x, const T* weight, const T* rstd, std::size_t num_rows,
                            std::size_t n) {
  const Tag<T> d;
  const T inverse_n = T(1) / static_cast<T>(n);
  for (std::size_t r = 0; r < num_rows; ++r, x += n, d_x += n, d_y += n) {
    const auto scale = hn::Set(d, rstd[r]);
    auto dot = hn::Zero(d);
    for_vectors<T>(n, [&](std::size_t i, std::size_t m) HWY_ATTR {
      const auto g = hn::Mul(load_partial(d, d_y + i, m), load_partial(d, weight + i, m));
      dot = hn::MulAdd(g, hn::Mul(load_partial(d, x + i, m), scale), dot);
    });
    const auto mean_gx = hn::Set(d, sum_of_lanes<T>(dot) * inverse_n);
    const auto f = [&](auto g, auto v, auto w)
                       HWY_ATTR { return hn::Mul(scale, hn::NegMulAdd(hn::Mul(v, scale), mean_gx, hn::Mul(g, w))); };
    map(n, d_x, f, d_y, x, weight);
  }
}

// Sums over rows are kept short (this many rows), then added up: the error grows with the square root's share of it,
// and the order is fixed by the row count alone.
inline constexpr std::size_t kRowsPerSum = 64;

template <class T>
void column_sums_add(T* sums, const T* x, std::size_t stride, std::size_t num_rows, std::size_t num_columns) {
  const Tag<T> d;
  for_vectors<T>(num_columns, [&](std::size_t j, std::size_t m) HWY_ATTR {
    auto total = hn::Zero(d);
    for (std::size_t begin = 0; begin < num_rows; begin += kRowsPerSum) {
      auto sum = hn::Zero(d);
      for (std::size_t r = begin; r < smaller(begin + kRowsPerSum, num_rows); ++r) {
        sum = hn::Add(sum, load_partial(d, x + r * stride + j, m));
      }
      total = hn::Add(total, sum);
    }
    store_partial(hn::Add(load_partial(d, sums + j, m), total), d, sums + j, m);
  });
}

/// mean null: RMS norm; d_bias null: none.
template <class T>
void norm_parameters_backward_add(T* d_weight, T* d_bias, const T* d_y, const T* x, const T* mean, const T* rstd,
                                  std::size_t stride, std::size_t num_rows, std::size_t groups,
                                  std::size_t group_stride, std::size_t num_columns) {
  const Tag<T> d;
  for_vectors<T>(num_columns, [&](std::size_t j, std::size_t m) HWY_ATTR {
    auto total_w = hn::Zero(d), total_b = hn::Zero(d);
    for (std::size_t begin = 0; begin < num_rows; begin += kRowsPerSum) {
      auto sum_w = hn::Zero(d), sum_b = hn::Zero(d);
      for (std::size_t r = begin; r < smaller(begin + kRowsPerSum, num_rows); ++r) {
        for (std::size_t g = 0; g < groups; ++g) {
          const std::size_t at = r * stride + g * group_stride + j;
          const auto dy = load_partial(d, d_y + at, m);
          auto v = load_partial(d, x + at, m);
          if (mean) v = hn::Sub(v, hn::Set(d, mean[r * groups + g]));
          sum_w = hn::MulAdd(dy, hn::Mul(v, hn::Set(d, rstd[r * groups + g])), sum_w);
          sum_b = hn::Add(sum_b, dy);
        }
      }
      total_w = hn::Add(total_w, sum_w);
      total_b = hn::Add(total_b, sum_b);
    }
    store_partial(hn::Add(load_partial(d, d_weight + j, m), total_w), d, d_weight + j, m);
    if (d_bias) store_partial(hn::Add(load_partial(d, d_bias + j, m), total_b), d, d_bias + j, m);
  });
}

template <class T>
constexpr void add_row_kernels(Kernels<T>& k) {
  k.softmax_rows = softmax_rows<T>;
  k.softmax_backward_rows = softmax_backward_rows<T>;
  k.max_and_exp_sum = max_and_exp_sum<T>;
  k.scaled_exp = scaled_exp<T>;
  k.layer_norm_rows = layer_norm_rows<T>;
  k.layer_norm_backward_rows = layer_norm_backward_rows<T>;
  k.rms_norm_rows = rms_norm_rows<T>;
  k.rms_norm_backward_rows = rms_norm_backward_rows<T>;
  k.column_sums_add = column_sums_add<T>;
  k.norm_parameters_backward_add = norm_parameters_backward_add<T>;
}

}  // namespace HWY_NAMESPACE
}  // namespace minimoe
HWY_AFTER_NAMESPACE();
