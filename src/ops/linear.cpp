// SPDX-License-Identifier: Apache-2.0
#include "minimoe/ops/linear.hpp"

#include "ops/chunks.hpp"

namespace minimoe {

template <class T>
void linear_forward(Exec& exec, View<T, 2> y, In<T, 2> x, In<T, 2> weight, In<T, 1> bias) {
  const std::size_t tokens = x.shape(0), N = weight.shape(0), K = x.shape(1);
  check_shape("linear_forward", "y", y, {tokens, N});
  check_shape("linear_forward", "weight", weight, {N, K});
  if (bias) check_shape("linear_forward", "bias", bias, {N});
  matmul_with_bias<T>(exec, y, x, Transpose::kNo, weight, Transpose::kYes, bias);
}

template <class T>
void linear_backward(Exec& exec, OptionalOut<T, 2> d_x, View<T, 2> d_weight, OptionalOut<T, 1> d_bias, In<T, 2> d_y,
                     In<T, 2> x, In<T, 2> weight) {
  const std::size_t tokens = x.shape(0), N = weight.shape(0), K = x.shape(1);
  if (d_x) check_shape("linear_backward", "d_x", d_x, x.shape());
  check_shape("linear_backward", "d_weight", d_weight, weight.shape());
  if (d_bias) check_shape("linear_backward", "d_bias", d_bias, {N});
  check_shape("linear_backward", "d_y", d_y, {tokens, N});
  check_shape("linear_backward", "weight", weight, {N, K});
  matmul(exec, d_weight, d_y, Transpose::kYes, x, Transpose::kNo, Accumulate::kYes);
  if (d_x) matmul<T>(exec, d_x, d_y, Transpose::kNo, weight, Transpose::kNo);
  if (!d_bias) return;
  const Kernels<T>& k = exec.kernels<T>();
  exec.parallel_for(N, columns_per_chunk(N), [&](std::size_t begin, std::size_t end, int) {
    k.column_sums_add(d_bias.data() + begin, d_y.data() + begin, N, tokens, end - begin);
  });
}

#define MINIMOE_INSTANTIATE(T)                                                                                  \
  template void linear_forward<T>(Exec&, View<T, 2>, In<T, 2>, In<T, 2>, In<T, 1>);                             \
  template void linear_backward<T>(Exec&, OptionalOut<T, 2>, View<T, 2>, OptionalOut<T, 1>, In<T, 2>, In<T, 2>, \
                                   In<T, 2>);
MINIMOE_INSTANTIATE(float)
MINIMOE_INSTANTIATE(double)

}  // namespace minimoe
