// SPDX-License-Identifier: Apache-2.0
// Vector exp, sigmoid and normal distribution: what the activations, softmax and attention are made of.
#pragma once

#include "core/simd/lanes-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace minimoe {
namespace HWY_NAMESPACE {

template <class T>
using Vector = hn::Vec<Tag<T>>;

template <class D, class V>
HWY_INLINE V polynomial(D, V, V value) {
  return value;
}
/// (..(first * x + next) * x + ..) + last
template <class D, class V, class... Rest>
HWY_INLINE V polynomial(D d, V x, V value, hn::TFromD<D> next, Rest... rest) {
  return polynomial(d, x, hn::MulAdd(value, x, hn::Set(d, next)), rest...);
}

/// e^x for x <= 88 (float) or 709 (double): every caller subtracts a maximum or negates an absolute value first.
/// Relative error below 1.2e-7 (float), 3e-16 (double); results below the smallest normal number are 0, NaN stays NaN.
template <class D>
requires(sizeof(hn::TFromD<D>) == 4) HWY_INLINE hn::Vec<D> exp_nonpositive(D d, hn::Vec<D> x) {
  // x = n ln 2 + r. Adding 1.5 * 2^23 rounds to an integer; the 127 puts 2^n's exponent field into the low bits.
  const auto magic = hn::Set(d, 12582912.0f + 127.0f);
  const auto shifted = hn::MulAdd(x, hn::Set(d, 1.44269504088896341f), magic);
  const auto n = hn::Sub(shifted, magic);
  auto r = hn::NegMulAdd(n, hn::Set(d, 0.693359375f), x);
  r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f), r);
  // Minimax fit of (e^r - 1 - r) / r^2 on |r| <= ln(2) / 2; relative error of e^r 3.1e-9.
  const auto q = polynomial(d, r, hn::Set(d, 0.001381459878757596f), 0.008368716575205326f, 0.04166838899254799f,
                            0.1666652113199234f, 0.4999999403953552f);
  const auto p = hn::Add(hn::MulAdd(q, hn::Mul(r, r), r), hn::Set(d, 1.0f));
  const hn::RebindToUnsigned<D> bits;
  const auto scale = hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(bits, shifted)));
  return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -87.3365447f)), hn::Mul(p, scale));
}

template <class D>
requires(sizeof(hn::TFromD<D>) == 8) HWY_INLINE hn::Vec<D> exp_nonpositive(D d, hn::Vec<D> x) {
  const auto magic = hn::Set(d, 6755399441055744.0 + 1023.0);
  const auto shifted = hn::MulAdd(x, hn::Set(d, 1.44269504088896340736), magic);
  const auto n = hn::Sub(shifted, magic);
  auto r = hn::NegMulAdd(n, hn::Set(d, 0.693145751953125), x);
  r = hn::NegMulAdd(n, hn::Set(d, 1.42860682030941723212e-6), r);
  // Taylor: the first term left out is below 5e-18.
  const auto q =
      polynomial(d, r, hn::Set(d, 1.0 / 6227020800.0), 1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0,
                 1.0 / 362880.0, 1.0 / 40320.0, 1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5);
  const auto p = hn::Add(hn::MulAdd(q, hn::Mul(r, r), r), hn::Set(d, 1.0));
  const hn::RebindToUnsigned<D> bits;
  const auto scale = hn::BitCast(d, hn::ShiftLeft<52>(hn::BitCast(bits, shifted)));
  return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -708.396418532264106224)), hn::Mul(p, scale));
}

/// sigmoid(x) and its derivative sigmoid(x) (1 - sigmoid(x)), neither of which cancels for large |x|.
template <class D>
struct Sigmoid {
  hn::Vec<D> value, derivative;
};
template <class D, class V>
HWY_INLINE Sigmoid<D> sigmoid(D d, V x) {
  const V one = hn::Set(d, hn::TFromD<D>(1));
  const V e = exp_nonpositive(d, hn::Neg(hn::Abs(x)));
  const V inverse = hn::Div(one, hn::Add(one, e));
  const V small = hn::Mul(e, inverse);
  return {hn::IfThenElse(hn::Lt(x, hn::Zero(d)), small, inverse), hn::Mul(small, inverse)};
}

/// Standard normal distribution function and density.
template <class D>
struct Normal {
  hn::Vec<D> cdf, density;
};
template <class D>
requires(sizeof(hn::TFromD<D>) == 4) HWY_INLINE Normal<D> normal(D d, hn::Vec<D> x) {
  const auto one = hn::Set(d, 1.0f);
  const auto gauss = exp_nonpositive(d, hn::Mul(hn::Mul(x, x), hn::Set(d, -0.5f)));
  // cdf(-|x|) = exp(-x^2/2) t Q(t), t = 1 / (1 + 0.27 |x|): minimax fit for |x| <= 14, relative error 2.4e-8.
  const auto t = hn::Div(one, hn::MulAdd(hn::Abs(x), hn::Set(d, 0.27f), one));
  const auto q = polynomial(d, t, hn::Set(d, 0.02891419269144535f), -0.12624980509281158f, 0.16927967965602875f,
                            -0.06860696524381638f, 0.10738927870988846f, 0.07224484533071518f, 0.10175793617963791f,
                            0.10755068808794022f, 0.10772016644477844f);
  const auto tail = hn::Mul(hn::Mul(gauss, t), q);
  return {hn::IfThenElse(hn::Lt(x, hn::Zero(d)), tail, hn::Sub(one, tail)),
          hn::Mul(gauss, hn::Set(d, 0.398942280401432678f))};
}
template <class D>
requires(sizeof(hn::TFromD<D>) == 8) HWY_INLINE Normal<D> normal(D d, hn::Vec<D> x) {
  alignas(64) double lanes[hn::MaxLanes(D())];
  hn::Store(x, d, lanes);
  for (double& lane : lanes) lane = 0.5 * __builtin_erfc(lane * -0.707106781186547524401);
  const auto gauss = exp_nonpositive(d, hn::Mul(hn::Mul(x, x), hn::Set(d, -0.5)));
  return {hn::Load(d, lanes), hn::Mul(gauss, hn::Set(d, 0.398942280401432677940))};
}

}  // namespace HWY_NAMESPACE
}  // namespace minimoe
HWY_AFTER_NAMESPACE();
