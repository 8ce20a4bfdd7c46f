// SPDX-License-Identifier: Apache-2.0
#include "moe/experts.hpp"

#include "core/simd/kernels.hpp"
#include "minimoe/core/profile.hpp"
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

/// Calls body(first row, first column, number of elements) for runs of elements that are consecutive in memory.
template <class Body>
void for_each_run(const MatmulPart& part, std::size_t num_columns, Body&& body) {
  const std::size_t width = part.column_end - part.column_begin;
  if (width == num_columns) {
    body(part.row_begin, std::size_t{0}, width * (part.row_end - part.row_begin));
    return;
  }
  for (std::size_t row = part.row_begin; row < part.row_end; ++row) body(row, part.column_begin, width);
}

}  // namespace

double experts_flops(const FeedForwardConfig& config, std::size_t num_rows) {
  return (config.kind == FfnKind::kSwiglu ? 3 : 2) * product_flops(num_rows, config.d_ff, config.d_model);
}

template <class T>
void experts_forward(Exec& exec, View<T, 2> y_RD, const FeedForwardCache<T>& cache, In<T, 2> x_RD,
                     View<const std::int64_t, 1> expert_begin, const ExpertWeights<T>& weights, Gelu gelu) {
  const Kernels<T>& k = exec.kernels<T>();
  const auto gelu_with_slope = gelu == Gelu::kTanh ? k.gelu_tanh_with_slope : k.gelu_erf_with_slope;
  for_each_group(expert_begin, [&](std::size_t e, std::size_t begin, std::size_t end) {
    const In<T, 2> x = x_RD.rows(begin, end);
    const View<T, 2> up = cache.up_TF.rows(begin, end), hidden = cache.hidden_TF.rows(begin, end);
    const View<T, 2> gate = cache.gate_TF ? cache.gate_TF.rows(begin, end) : View<T, 2>();
    if (gate) linear_forward(exec, gate, x, slice(weights.w_gate_proj_EFD, e), {});
    const auto activate = [&](const MatmulPart& part) {
      for_each_run(part, hidden.shape(1), [&](std::size_t row, std::size_t column, std::size_t n) {
        T *h = hidden.row(row) + column, *u = up.row(row) + column;
        if (gate) {
          k.swiglu_forward(h, gate.row(row) + column, u, n);
        } else {
          gelu_with_slope(h, u, u, n);
        }
      });
    };
    matmul_and_finish<T>(exec, up, x, Transpose::kNo, slice(weights.w_up_proj_EFD, e), Transpose::kYes,
                         slice(weights.b_up_proj_EF, e), activate);
    linear_forward<T>(exec, y_RD.rows(begin, end), hidden, slice(weights.w_down_proj_EDF, e),
                      slice(weights.b_down_proj_ED, e));
  });
}

template <class T>
void experts_backward(Exec& exec, View<T, 2> d_x_RD, const ExpertGradients<T>& gradients, In<T, 2> d_y_RD,
                      In<T, 2> x_RD, const FeedForwardCache<T>& cache, View<const std::int64_t, 1> expert_begin,
                      const ExpertWeights<T>& weights) {
  const Kernels<T>& k = exec.kernels<T>();
  for_each_group(expert_begin, [&](std::size_t e, std::size_t begin, std::size_t end) {
    const In<T, 2> d_y = d_y_RD.rows(begin, end), x = x_RD.rows(begin, end);
    const View<T, 2> d_x = d_x_RD.rows(begin, end);
    const View<T, 2> up = cache.up_TF.rows(begin, end), hidden = cache.hidden_TF.rows(begin, end);
    const View<T, 2> gate = cache.gate_TF ? cache.gate_TF.rows(begin, end) : View<T, 2>();
    const auto w_down = slice(weights.w_down_proj_EDF, e), w_up = slice(weights.w_up_proj_EFD, e);
    linear_backward<T>(exec, {}, slice(gradients.w_down_proj_EDF, e), slice(gradients.b_down_proj_ED, e), d_y, hidden,
                       w_down);
    const auto activate_backward = [&](const MatmulPart& part) {
      for_each_run(part, hidden.shape(1), [&](std::size_t row, std::size_t column, std::size_t n) {
        T *d_h = hidden.row(row) + column, *u = up.row(row) + column;
        if (gate) {
          T* const g = gate.row(row) + column;
          k.swiglu_backward(g, u, d_h, g, u, n);
        } else {
          k.multiply_into(d_h, u, n);
        }
      });
    };
    // The gradient of hidden over hidden, which is spent.
    matmul_and_finish<T>(exec, hidden, d_y, Transpose::kNo, w_down, Transpose::kNo, {}, activate_backward);
    const In<T, 2> d_up = gate ? up : hidden;
    // All that reads x first: d_x may be written over it.
    linear_backward<T>(exec, {}, slice(gradients.w_up_proj_EFD, e), slice(gradients.b_up_proj_EF, e), d_up, x, w_up);
    const auto w_gate = slice(weights.w_gate_proj_EFD, e);
    if (gate) linear_backward<T>(exec, {}, slice(gradients.w_gate_proj_EFD, e), {}, gate, x, w_gate);
    matmul<T>(exec, d_x, d_up, Transpose::kNo, w_up, Transpose::kNo);
    if (gate) matmul<T>(exec, d_x, gate, Transpose::kNo, w_gate, Transpose::kNo, Accumulate::kYes);
  });
}

#define MINIMOE_INSTANTIATE(T)                                                                                        \
  template void experts_forward(Exec&, View<T, 2>, const FeedForwardCache<T>&, In<T, 2>, View<const std::int64_t, 1>, \
                                const ExpertWeights<T>&, Gelu);                                                       \
  template void experts_backward(Exec&, View<T, 2>, const ExpertGradients<T>&, In<T, 2>, In<T, 2>,                    \
                                 const FeedForwardCache<T>&, View<const std::int64_t, 1>, const ExpertWeights<T>&);
MINIMOE_INSTANTIATE(float)
MINIMOE_INSTANTIATE(double)
#undef MINIMOE_INSTANTIATE

}  // namespace minimoe
