// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/simd/lanes-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace minimoe {
namespace HWY_NAMESPACE {

template <class T>
void add_into(T* y, const T* x, std::size_t n) {
  const Tag<T> d;
  std::size_t i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>) hn::StoreU(hn::Add(hn::LoadU(d, y + i), hn::LoadU(d, x + i)), d, y + i);
  if (i < n) store_partial(hn::Add(load_partial(d, y + i, n - i), load_partial(d, x + i, n - i)), d, y + i, n - i);
}

template <class T>
constexpr void add_elementwise_kernels(Kernels<T>& k) {
  k.add_into = add_into<T>;
}

}  // namespace HWY_NAMESPACE
}  // namespace minimoe
HWY_AFTER_NAMESPACE();
