// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/simd/math-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace minimoe {
namespace HWY_NAMESPACE {

/// y[i] = f(in[i]...); y may be any of the inputs.
template <class T, class F, class... In>
HWY_INLINE void map(std::size_t n, T* y, F f, const In*... in) {
  const Tag<T> d;
  std::size_t i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>) hn::StoreU(f(hn::LoadU(d, in + i)...), d, y + i);
  if (i < n) store_partial(f(load_partial(d, in + i, n - i)...), d, y + i, n - i);
}

template <class T>
void add_into(T* y, const T* x, std::size_t n) {
  map(
      n, y, [](auto a, auto b) HWY_ATTR { return hn::Add(a, b); }, y, x);
}

template <class T>
inline constexpr T kGeluScale = static_cast<T>(2 * 0.79788456080286535588);  // 2 sqrt(2 / pi)
template <class T>
inline constexpr T kGeluCubic = static_cast<T>(2 * 0.79788456080286535588 * 0.044715);

/// An activation and its derivative at one place.
template <class D>
struct Activated {
  hn::Vec<D> value, slope;
};

struct GeluTanh {
  // 0.5 (1 + tanh(u)) = sigmoid(2u)
  template <class D, class V, class T = hn::TFromD<D>>
  HWY_INLINE Activated<D> operator()(D d, V x) const {
    // Beyond |x| = 100 the derivative is 0 or 1 exactly; the bound keeps 0 * infinity out.
    const auto square = hn::Min(hn::Set(d, T(1e4)), hn::Mul(x, x));
    const auto factor = hn::MulAdd(square, hn::Set(d, kGeluCubic<T>), hn::Set(d, kGeluScale<T>));
    const auto s = sigmoid(d, hn::Mul(x, factor));
    const auto inner = hn::MulAdd(square, hn::Set(d, 3 * kGeluCubic<T>), hn::Set(d, kGeluScale<T>));
    return {hn::Mul(x, s.value), hn::MulAdd(hn::Mul(x, s.derivative), inner, s.value)};
  }
};

struct GeluErf {
  template <class D, class V>
  HWY_INLINE Activated<D> operator()(D d, V x) const {
    const auto p = normal(d, x);
    return {hn::Mul(x, p.cdf), hn::MulAdd(x, p.density, p.cdf)};
  }
};

template <class T, class F>
void activate(T* y, const T* x, std::size_t n) {
  const Tag<T> d;
  map(
      n, y, [d](auto v) HWY_ATTR { return F()(d, v).value; }, x);
}

template <class T, class F>
void activate_backward(T* d_x, const T* d_y, const T* x, std::size_t n) {
  const Tag<T> d;
  map(
      n, d_x, [d](auto g, auto v) HWY_ATTR { return hn::Mul(g, F()(d, v).slope); }, d_y, x);
}

template <class T, class F>
void activate_with_slope(T* y, T* slope, const T* x, std::size_t n) {
  const Tag<T> d;
  for (std::size_t i = 0; i < n; i += kLanes<T>) {
    const std::size_t m = n - i < kLanes<T> ? n - i : kLanes<T>;
    const auto a = F()(d, load_partial(d, x + i, m));
    store_partial(a.value, d, y + i, m);
    store_partial(a.slope, d, slope + i, m);
  }
}

template <class T>
void multiply_into(T* y, const T* x, std::size_t n) {
  map(
      n, y, [](auto a, auto b) HWY_ATTR { return hn::Mul(a, b); }, y, x);
}

template <class T>
void silu_forward(T* y, const T* x, std::size_t n) {
  const Tag<T> d;
  map(
      n, y, [d](auto v) HWY_ATTR { return hn::Mul(v, sigmoid(d, v).value); }, x);
}

template <class T>
void silu_backward(T* d_x, const T* d_y, const T* x, std::size_t n) {
  const Tag<T> d;
  const auto f = [d](auto g, auto v) HWY_ATTR {
    const auto s = sigmoid(d, v);
    return hn::Mul(g, hn::MulAdd(v, s.derivative, s.value));
  };
  map(n, d_x, f, d_y, x);
}

template <class T>
void swiglu_forward(T* y, const T* gate, const T* up, std::size_t n) {
  const Tag<T> d;
  map(
      n, y, [d](auto g, auto u) HWY_ATTR { return hn::Mul(hn::Mul(g, sigmoid(d, g).value), u); }, gate, up);
}

template <class T>
void swiglu_backward(T* d_gate, T* d_up, const T* d_y, const T* gate, const T* up, std::size_t n) {
  const Tag<T> d;
  for (std::size_t i = 0; i < n; i += kLanes<T>) {
    const std::size_t count = n - i;  // the last vector may hold fewer; load_partial takes whole ones unmasked
    const std::size_t m = count < kLanes<T> ? count : kLanes<T>;
    const auto dy = load_partial(d, d_y + i, m);
    const auto g = load_partial(d, gate + i, m);
    const auto u = load_partial(d, up + i, m);
    const auto s = sigmoid(d, g);
    store_partial(hn::Mul(dy, hn::Mul(g, s.value)), d, d_up + i, m);
    store_partial(hn::Mul(hn::Mul(dy, u), hn::MulAdd(g, s.derivative, s.value)), d, d_gate + i, m);
  }
}

/// One token: pair i of a head is (x[i * step], x[i * step + apart]), turned by the angle of (cos, sin)[i].
template <class T>
void rope(T* x, const T* cos, const T* sin, std::size_t num_heads, std::size_t num_pairs, bool interleaved,
          bool inverse) {
  const Tag<T> d;
  const T sign = inverse ? T(-1) : T(1);
  for (std::size_t h = 0; h < num_heads; ++h, x += 2 * num_pairs) {
    if (interleaved) {
      for (std::size_t i = 0; i < num_pairs; ++i) {
        const T a = x[2 * i], b = x[2 * i + 1], s = sign * sin[i];
        x[2 * i] = a * cos[i] - b * s;
        x[2 * i + 1] = b * cos[i] + a * s;
      }
    } else {
      for (std::size_t i = 0; i < num_pairs; i += kLanes<T>) {
        const std::size_t m = num_pairs - i < kLanes<T> ? num_pairs - i : kLanes<T>;
        const auto c = load_partial(d, cos + i, m), s = hn::Mul(hn::Set(d, sign), load_partial(d, sin + i, m));
        const auto a = load_partial(d, x + i, m), b = load_partial(d, x + num_pairs + i, m);
        store_partial(hn::Sub(hn::Mul(a, c), hn::Mul(b, s)), d, x + i, m);
        store_partial(hn::Add(hn::Mul(b, c), hn::Mul(a, s)), d, x + num_pairs + i, m);
      }
    }
  }
}

template <class T>
constexpr void add_elementwise_kernels(Kernels<T>& k) {
  k.add_into = add_into<T>;
  k.gelu_tanh_forward = activate<T, GeluTanh>;
  k.gelu_tanh_backward = activate_backward<T, GeluTanh>;
  k.gelu_tanh_with_slope = activate_with_slope<T, GeluTanh>;
  k.gelu_erf_forward = activate<T, GeluErf>;
  k.gelu_erf_backward = activate_backward<T, GeluErf>;
  k.gelu_erf_with_slope = activate_with_slope<T, GeluErf>;
  k.multiply_into = multiply_into<T>;
  k.silu_forward = silu_forward<T>;
  k.silu_backward = silu_backward<T>;
  k.swiglu_forward = swiglu_forward<T>;
  k.swiglu_backward = swiglu_backward<T>;
  k.rope = rope<T>;
}

}  // namespace HWY_NAMESPACE
}  // namespace minimoe
HWY_AFTER_NAMESPACE();
