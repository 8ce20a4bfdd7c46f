// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/simd/lanes-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace minimoe {
namespace HWY_NAMESPACE {

template <class T>
void adamw(T* weight, T* moment1, T* moment2, const T* gradient, std::size_t n, const AdamWFactors<T>& f) {
  const Tag<T> d;
  const auto beta1 = hn::Set(d, f.beta1), beta2 = hn::Set(d, f.beta2);
  const auto rest1 = hn::Set(d, f.one_minus_beta1), rest2 = hn::Set(d, f.one_minus_beta2);
  const auto scale = hn::Set(d, f.gradient_scale), keep = hn::Set(d, f.keep), rate = hn::Set(d, f.rate);
  const auto root_correction = hn::Set(d, f.root_correction), eps = hn::Set(d, f.eps);
  for (std::size_t i = 0; i < n; i += kLanes<T>) {
    const std::size_t m = n - i < kLanes<T> ? n - i : kLanes<T>;
    const auto g = hn::Mul(scale, load_partial(d, gradient + i, m));
    const auto m1 = hn::MulAdd(rest1, g, hn::Mul(beta1, load_partial(d, moment1 + i, m)));
    const auto m2 = hn::MulAdd(rest2, hn::Mul(g, g), hn::Mul(beta2, load_partial(d, moment2 + i, m)));
    const auto step = hn::Div(m1, hn::MulAdd(hn::Sqrt(m2), root_correction, eps));
    const auto w = hn::NegMulAdd(rate, step, hn::Mul(keep, load_partial(d, weight + i, m)));
    store_partial(m1, d, moment1 + i, m);
    store_partial(m2, d, moment2 + i, m);
    store_partial(w, d, weight + i, m);
  }
}

template <class T>
double sum_of_squares(const T* x, std::size_t n) {
  const Tag<double> d;
  const hn::Rebind<T, Tag<double>> from;  // as many elements as doubles fit
  constexpr std::size_t kN = kLanes<double>;
  const auto load = [&](std::size_t i, std::size_t m) HWY_ATTR {
    if constexpr (sizeof(T) == sizeof(double)) {
      return load_partial(d, x + i, m);
    } else {
      return hn::PromoteTo(d, load_partial(from, x + i, m));
    }
  };
  auto even = hn::Zero(d), odd = hn::Zero(d);
  std::size_t i = 0;
  for (; i + 2 * kN <= n; i += 2 * kN) {
    const auto a = load(i, kN), b = load(i + kN, kN);
    even = hn::MulAdd(a, a, even);
    odd = hn::MulAdd(b, b, odd);
  }
  for (; i < n; i += kN) {
    const auto a = load(i, n - i < kN ? n - i : kN);
    even = hn::MulAdd(a, a, even);
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(even, odd)));
}

template <class T>
constexpr void add_optimizer_kernels(Kernels<T>& k) {
  k.adamw = adamw<T>;
  k.sum_of_squares = sum_of_squares<T>;
}

}  // namespace HWY_NAMESPACE
}  // namespace minimoe
HWY_AFTER_NAMESPACE();
