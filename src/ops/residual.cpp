// SPDX-License-Identifier: Apache-2.0
#include "minimoe/ops/residual.hpp"

namespace minimoe {

template <class T>
void residual_forward(Exec& exec, View<T, 1> y, In<T, 1> x, In<T, 1> branch) {
  check_shape("residual_forward", "x", x, y.shape());
  check_shape("residual_forward", "branch", branch, y.shape());
  constexpr std::size_t kChunk = 1 << 15;
  exec.parallel_for(y.size(), kChunk, [&](std::size_t begin, std::size_t end, int) {
    T* out = y.data();
    const T* left = x.data();
    const T* right = branch.data();
    for (std::size_t i = begin; i < end; ++i) out[i] = left[i] + right[i];
  });
}

template void residual_forward(Exec&, View<float, 1>, In<float, 1>, In<float, 1>);
template void residual_forward(Exec&, View<double, 1>, In<double, 1>, In<double, 1>);

}  // namespace minimoe
