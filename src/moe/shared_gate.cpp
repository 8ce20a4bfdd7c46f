// SPDX-License-Identifier: Apache-2.0
#include "moe/shared_gate.hpp"

#include "minimoe/ops/linear.hpp"
#include "moe/sigmoid.hpp"

namespace minimoe {

template <class T>
void shared_gate_forward(Exec& exec, View<T, 2> gate_T1, In<T, 2> x_TD, In<T, 2> weight_1D) {
  const PrecisionScope precision(exec, Precision::kFloat32);
  linear_forward<T>(exec, gate_T1, x_TD, weight_1D, {});
  for (std::size_t t = 0; t < gate_T1.size(); ++t) {
    gate_T1.data()[t] = sigmoid(gate_T1.data()[t]);
  }
}

template <class T>
void shared_gate_backward(Exec& exec, View<T, 2> d_x_ND, View<T, 2> d_weight_1D, View<T, 2> d_gate_T1, In<T, 2> gate_T1,
                          In<T, 2> x_ND, In<T, 2> weight_1D, View<const std::int32_t, 1> token_N) {
  const View<T, 2> d_logit_N1 = d_gate_T1.rows(0, token_N.size());
  for (std::size_t n = 0; n < token_N.size(); ++n) {  // token n or a later one: nothing is overwritten unread
    const std::int32_t t = token_N.data()[n];
    const T gate = gate_T1.row(t)[0];
    d_logit_N1.row(n)[0] = d_gate_T1.row(t)[0] * gate * (T(1) - gate);
  }
  const PrecisionScope precision(exec, Precision::kFloat32);
  linear_backward<T>(exec, d_x_ND, d_weight_1D, {}, d_logit_N1, x_ND, weight_1D);
}

#define MINIMOE_INSTANTIATE(T)                                                                                \
  template void shared_gate_forward(Exec&, View<T, 2>, In<T, 2>, In<T, 2>);                                   \
  template void shared_gate_backward(Exec&, View<T, 2>, View<T, 2>, View<T, 2>, In<T, 2>, In<T, 2>, In<T, 2>, \
                                     View<const std::int32_t, 1>);
MINIMOE_INSTANTIATE(float)
MINIMOE_INSTANTIATE(double)
#undef MINIMOE_INSTANTIATE

}  // namespace minimoe
