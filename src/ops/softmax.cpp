// SPDX-License-Identifier: Apache-2.0
#include "minimoe/ops/softmax.hpp"

#include "ops/chunks.hpp"

namespace minimoe {

template <class T>
void softmax_forward(Exec& exec, View<T, 2> y, In<T, 2> x) {
  check_shape("softmax_forward", "x", x, y.shape());
  const std::size_t N = y.shape(1);
  if (N == 0) return;
  const Kernels<T>& k = exec.kernels<T>();
  exec.parallel_for(y.shape(0), rows_per_chunk(N), [&](std::size_t begin, std::size_t end, int) {
    k.softmax_rows(y.row(begin), nullptr, nullptr, x.row(begin), end - begin, N);
  });
}

template <class T>
void softmax_backward(Exec& exec, View<T, 2> d_x, In<T, 2> d_y, In<T, 2> y) {
  check_shape("softmax_backward", "d_y", d_y, d_x.shape());
  check_shape("softmax_backward", "y", y, d_x.shape());
  const std::size_t N = y.shape(1);
  const Kernels<T>& k = exec.kernels<T>();
  exec.parallel_for(y.shape(0), rows_per_chunk(N), [&](std::size_t begin, std::size_t end, int) {
    k.softmax_backward_rows(d_x.row(begin), d_y.row(begin), y.row(begin), end - begin, N);
  });
}

#define MINIMOE_INSTANTIATE(T)                                   \
  template void softmax_forward<T>(Exec&, View<T, 2>, In<T, 2>); \
  template void softmax_backward<T>(Exec&, View<T, 2>, In<T, 2>, In<T, 2>);
MINIMOE_INSTANTIATE(float)
MINIMOE_INSTANTIATE(double)

}  // namespace minimoe
