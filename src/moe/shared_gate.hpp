// SPDX-License-Identifier: Apache-2.0
// The gate of the shared experts: a token's g = sigmoid(x . w), by which their output is multiplied (Qwen2-MoE).
#pragma once

#include "minimoe/core/exec.hpp"
#include "minimoe/core/tensor.hpp"

namespace minimoe {

/// gate_T1[t] = sigmoid(x_TD[t] . weight_1D), in float32 whatever the precision of products, as the router's logits.
template <class T>
void shared_gate_forward(Exec& exec, View<T, 2> gate_T1, In<T, 2> x_TD, In<T, 2> weight_1D);

/// @param d_gate_T1 read at the tokens of token_N (ascending), then overwritten. @param x_ND the rows of those tokens.
/// d_x_ND overwritten, d_weight_1D accumulates.
template <class T>
void shared_gate_backward(Exec& exec, View<T, 2> d_x_ND, View<T, 2> d_weight_1D, View<T, 2> d_gate_T1, In<T, 2> gate_T1,
                          In<T, 2> x_ND, In<T, 2> weight_1D, View<const std::int32_t, 1> token_N);

}  // namespace minimoe
