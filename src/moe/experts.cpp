// SPDX-License-Identifier: Apache-2.0
#include "moe/experts.hpp"

#include "minimoe/ops/linear.hpp"

namespace minimoe {
namespace {

/// Slice e of a stacked tensor; absent when the tensor is.
template <class T>
View<T, 2> slice(View<T, 3> stacked, std::size_t e) {
  return stacked ? View<T, 2>(stacked.row(e), {stacked.shape(1), stacked.shape(2)}) : View<T, 2>();
}
template <class T>
View<T, 1> slice(View<T, 2> stacked, std::size_t e) {
  return stacked ? View<T, 1>(stacked.row(e), {stacked.shape(1)}) : View<T, 1>();
}

/// Calls body(e, begin, end) for every expert that has rows.
template <class Body>
void for_each_group(View<const std::int64_t, 1> expert_begin, Body&& body) {
  for (std::size_t e = 0; e + 1 < expert_begin.size(); ++e) {
    const auto begin = static_cast<std::size_t>(expert_begin(e)), end = static_cast<std::size_t>(expert_begin(e + 1));
    if (begin < end) body(e, begin, end);
  }
}

}  // namespace

template <class T>
void experts_forward(Exec& exec, View<T, 2> y_RD, const FeedForwardCache<T>& cache, In<T, 2> x_RD,
                     View<const std::int64_t, 1> expert_begin, const ExpertWeights<T>& weights, Gelu gelu) {
  const auto num_rows = static_cast<std::size_t>(expert_begin(expert_begin.size() - 1));
  if (num_rows == 0) return;
  const bool swiglu = static_cast<bool>(weights.w_gate_proj_EFD);
  for_each_group(expert_begin, [&](std::size_t e, std::size_t begin, std::size_t end) {
    const In<T, 2> x = x_RD.rows(begin, end);
    if (swiglu) linear_forward(exec, cache.gate_TF.rows(begin, end), x, slice(weights.w_gate_proj_EFD, e), {});
    linear_forward(exec, cache.up_TF.rows(begin, end), x, slice(weights.w_up_proj_EFD, e),
                   slice(weights.b_up_proj_EF, e));
  });
  const View<T, 1> up = cache.up_TF.rows(0, num_rows).flat(), hidden = cache.hidden_TF.rows(0, num_rows).flat();
  if (swiglu) {
    swiglu_forward(exec, hidden, cache.gate_TF.rows(0, num_rows).flat(), up);
  } else {
    gelu_forward(exec, hidden, up, gelu);
  }
  for_each_group(expert_begin, [&](std::size_t e, std::size_t begin, std::size_t end) {
    linear_forward(exec, y_RD.rows(begin, end), cache.hidden_TF.rows(begin, end), slice(weights.w_down_proj_EDF, e),
                   slice(weights.b_down_proj_ED, e));
  });
}

template <class T>
void experts_backward(Exec& exec, View<T, 2> d_x_RD, const ExpertGradients<T>& gradients, In<T, 2> d_y_RD,
                      In<T, 2> x_RD, const FeedForwardCache<T>& cache, View<const std::int64_t, 1> expert_begin,
                      const ExpertWeights<T>& weights, Gelu gelu) {
  const auto num_rows = static_cast<std::size_t>(expert_begin(expert_begin.size() - 1));
  if (num_rows == 0) return;
  const bool swiglu = static_cast<bool>(weights.w_gate_proj_EFD);
  for_each_group(expert_begin, [&](std::size_t e, std::size_t begin, std::size_t end) {
    const In<T, 2> d_y = d_y_RD.rows(begin, end);
    const View<T, 2> hidden = cache.hidden_TF.rows(begin, end);
    const auto w_down = slice(weights.w_down_proj_EDF, e);
    linear_backward(exec, {}, slice(gradients.w_down_proj_EDF, e), slice(gradients.b_down_proj_ED, e), d_y, hidden,
                    w_down);
    matmul(exec, hidden, d_y, Transpose::kNo, w_down, Transpose::kNo);  // d_hidden over hidden, which is spent
  });
  const View<T, 1> up = cache.up_TF.rows(0, num_rows).flat(), d_hidden = cache.hidden_TF.rows(0, num_rows).flat();
  if (swiglu) {
    const View<T, 1> gate = cache.gate_TF.rows(0, num_rows).flat();
    swiglu_backward(exec, gate, up, d_hidden, gate, up);
  } else {
    gelu_backward(exec, d_hidden, d_hidden, up, gelu);
  }
  const View<T, 2> d_up_RF = swiglu ? cache.up_TF : cache.hidden_TF;
  for_each_group(expert_begin, [&](std::size_t e, std::size_t begin, std::size_t end) {
    const In<T, 2> x = x_RD.rows(begin, end), d_up = d_up_RF.rows(begin, end);
    const View<T, 2> d_x = d_x_RD.rows(begin, end);
    const auto w_up = slice(weights.w_up_proj_EFD, e);
    linear_backward(exec, d_x, slice(gradients.w_up_proj_EFD, e), slice(gradients.b_up_proj_EF, e), d_up, x, w_up);
    if (!swiglu) return;
    const In<T, 2> d_gate = cache.gate_TF.rows(begin, end);
    const auto w_gate = slice(weights.w_gate_proj_EFD, e);
    linear_backward(exec, {}, slice(gradients.w_gate_proj_EFD, e), {}, d_gate, x, w_gate);
    matmul(exec, d_x, d_gate, Transpose::kNo, w_gate, Transpose::kNo, Accumulate::kYes);
  });
}

#define MINIMOE_INSTANTIATE(T)                                                                                        \
  template void experts_forward(Exec&, View<T, 2>, const FeedForwardCache<T>&, In<T, 2>, View<const std::int64_t, 1>, \
                                const ExpertWeights<T>&, Gelu);                                                       \
  template void experts_backward(Exec&, View<T, 2>, const ExpertGradients<T>&, In<T, 2>, In<T, 2>,                    \
                                 const FeedForwardCache<T>&, View<const std::int64_t, 1>, const ExpertWeights<T>&,    \
                                 Gelu);
MINIMOE_INSTANTIATE(float)
MINIMOE_INSTANTIATE(double)
#undef MINIMOE_INSTANTIATE

}  // namespace minimoe
