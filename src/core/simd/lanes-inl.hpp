// SPDX-License-Identifier: Apache-2.0
// Loads and stores of fewer elements than a vector has, which touch no other memory on any instruction set.
#pragma once

#include <hwy/highway.h>

#include "core/simd/kernels.hpp"

HWY_BEFORE_NAMESPACE();
namespace minimoe {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <class T>
using Tag = hn::ScalableTag<T>;

/// Elements in one vector; a constant.
template <class T>
inline constexpr std::size_t kLanes = hn::MaxLanes(Tag<T>());

// Highway guarantees that masked loads and stores leave the other elements alone only where the instruction set has
// them.
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
inline constexpr bool kHasMaskedMemory = true;
#else
inline constexpr bool kHasMaskedMemory = false;
#endif

/// The first n elements at p, 0 in the other lanes. 0 <= n <= lanes of D.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> load_partial(D d, const T* p, std::size_t n) {
  constexpr std::size_t kN = hn::MaxLanes(D());
  if (n >= kN) return hn::LoadU(d, p);
  if constexpr (kHasMaskedMemory) {
    return hn::MaskedLoad(hn::FirstN(d, n), d, p);
  } else {
    alignas(64) T lanes[kN] = {};
    for (std::size_t i = 0; i < n; ++i) lanes[i] = p[i];
    return hn::Load(d, lanes);
  }
}

/// Stores the first n lanes of v at p. 0 <= n <= lanes of D.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE void store_partial(hn::Vec<D> v, D d, T* p, std::size_t n) {
  constexpr std::size_t kN = hn::MaxLanes(D());
  if (n >= kN) {
    hn::StoreU(v, d, p);
  } else if constexpr (kHasMaskedMemory) {
    hn::BlendedStore(v, hn::FirstN(d, n), d, p);
  } else {
    alignas(64) T lanes[kN];
    hn::Store(v, d, lanes);
    for (std::size_t i = 0; i < n; ++i) p[i] = lanes[i];
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace minimoe
HWY_AFTER_NAMESPACE();
