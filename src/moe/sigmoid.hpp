// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

namespace minimoe {

/// Of any finite x, without overflow.
template <class T>
T sigmoid(T x) {
  const T tail = std::exp(-std::abs(x));
  return (x >= 0 ? T(1) : tail) / (T(1) + tail);
}

}  // namespace minimoe
