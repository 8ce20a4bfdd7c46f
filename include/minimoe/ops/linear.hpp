// SPDX-License-Identifier: Apache-2.0
// Affine map, in torch.nn.Linear's layout.
#pragma once

#include "minimoe/core/matmul.hpp"

namespace minimoe {

/// y[t,n] = sum_k x[t,k] * weight[n,k] + bias[n]
///
/// @param y [T, N]. @param x [T, K]. @param weight [N, K]. @param bias [N], or absent.
/// @throws Error(kInvalidArgument) when shapes disagree.
template <class T>
void linear_forward(Exec& exec, View<T, 2> y, In<T, 2> x, In<T, 2> weight, In<T, 1> bias);

/// d_x = d_y * weight (overwritten; skipped when absent); d_weight += d_y^T * x; d_bias += column sums of d_y (when
/// present).
template <class T>
void linear_backward(Exec& exec, OptionalOut<T, 2> d_x, View<T, 2> d_weight, OptionalOut<T, 1> d_bias, In<T, 2> d_y,
                     In<T, 2> x, In<T, 2> weight);

}  // namespace minimoe
