// SPDX-License-Identifier: Apache-2.0
// Pointwise nonlinearities, for whole tensors; the feed-forward networks apply the same kernels to each part of a
// product (matmul_and_finish). All views of a call have the same size.
#pragma once

#include "minimoe/core/exec.hpp"

namespace minimoe {

enum class Gelu {
  kTanh,  ///< 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))): GPT-2's, torch's approximate="tanh"
  kErf,   ///< 0.5 x (1 + erf(x / sqrt 2)): exact
};

/// y = gelu(x); in place is allowed.
template <class T>
void gelu_forward(Exec& exec, View<T, 1> y, In<T, 1> x, Gelu kind);
/// d_x = d_y * gelu'(x); in place (d_x is d_y) is allowed.
template <class T>
void gelu_backward(Exec& exec, View<T, 1> d_x, In<T, 1> d_y, In<T, 1> x, Gelu kind);

/// y = x * sigmoid(x)
template <class T>
void silu_forward(Exec& exec, View<T, 1> y, In<T, 1> x);
template <class T>
void silu_backward(Exec& exec, View<T, 1> d_x, In<T, 1> d_y, In<T, 1> x);

/// y = silu(gate) * up
template <class T>
void swiglu_forward(Exec& exec, View<T, 1> y, In<T, 1> gate, In<T, 1> up);
/// d_gate, d_up from d_y; d_gate may be the buffer of gate and d_up that of up.
template <class T>
void swiglu_backward(Exec& exec, View<T, 1> d_gate, View<T, 1> d_up, In<T, 1> d_y, In<T, 1> gate, In<T, 1> up);

}  // namespace minimoe
