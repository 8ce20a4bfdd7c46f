// SPDX-License-Identifier: Apache-2.0
#include "minimoe/ops/residual.hpp"

#include "core/simd/kernels.hpp"
#include "minimoe/core/profile.hpp"
#include "ops/chunks.hpp"

namespace minimoe {

template <class T>
void residual_forward(Exec& exec, View<T, 1> y, In<T, 1> x, In<T, 1> branch) {
  const ProfileScope scope(exec, Pass::kForward, Operation::kResidual);
  check_shape("residual_forward", "x", x, y.shape());
  check_shape("residual_forward", "branch", branch, y.shape());
  exec.parallel_for(y.size(), kElementsPerChunk, [&](std::size_t begin, std::size_t end, int) {
    T* out = y.data();
    const T* left = x.data();
    const T* right = branch.data();
    for (std::size_t i = begin; i < end; ++i) out[i] = left[i] + right[i];
  });
}

template <class T>
void add_inplace(Exec& exec, View<T, 1> y, In<T, 1> x) {
  const ProfileScope scope(exec, Pass::kBackward, Operation::kResidual);
  check_shape("add_inplace", "x", x, y.shape());
  const Kernels<T>& k = exec.kernels<T>();
  exec.parallel_for(y.size(), kElementsPerChunk, [&](std::size_t begin, std::size_t end, int) {
    k.add_into(y.data() + begin, x.data() + begin, end - begin);
  });
}

#define MINIMOE_INSTANTIATE(T)                                              \
  template void residual_forward<T>(Exec&, View<T, 1>, In<T, 1>, In<T, 1>); \
  template void add_inplace<T>(Exec&, View<T, 1>, In<T, 1>);
MINIMOE_INSTANTIATE(float)
MINIMOE_INSTANTIATE(double)
#undef MINIMOE_INSTANTIATE

}  // namespace minimoe
