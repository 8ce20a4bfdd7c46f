// SPDX-License-Identifier: Apache-2.0
// Normalisation over the last axis.
#pragma once

#include "minimoe/core/exec.hpp"

namespace minimoe {

/// y = (x - mean) * rstd * weight + bias, with mean and rstd = 1 / sqrt(var + eps) of each row (population variance).
///
/// @param y [T, D]. @param mean, rstd [T], kept for backward; absent at inference. @param x [T, D]. @param weight, bias
/// [D].
template <class T>
void layer_norm_forward(Exec& exec, View<T, 2> y, OptionalOut<T, 1> mean, OptionalOut<T, 1> rstd, In<T, 2> x,
                        In<T, 1> weight, In<T, 1> bias, double eps);
/// d_x overwritten; d_weight, d_bias accumulate. The token sum has a fixed order for any thread count.
template <class T>
void layer_norm_backward(Exec& exec, View<T, 2> d_x, View<T, 1> d_weight, View<T, 1> d_bias, In<T, 2> d_y, In<T, 2> x,
                         In<T, 1> weight, In<T, 1> mean, In<T, 1> rstd);

/// y = x * rstd * weight, rstd = 1 / sqrt(mean(x^2) + eps) of each row. @param rstd [T], absent at inference.
template <class T>
void rms_norm_forward(Exec& exec, View<T, 2> y, OptionalOut<T, 1> rstd, In<T, 2> x, In<T, 1> weight, double eps);
template <class T>
void rms_norm_backward(Exec& exec, View<T, 2> d_x, View<T, 1> d_weight, In<T, 2> d_y, In<T, 2> x, In<T, 1> weight,
                       In<T, 1> rstd);

/// RMS norm of each head's slice of a fused projection ("QK norm"): for heads first_head .. first_head + num_heads - 1
/// of y and x [T, M], slice h being columns [h * head_dim, (h + 1) * head_dim). Other columns of y are left alone. In
/// place (y is x) is NOT allowed. @param rstd [T, num_heads]. @param weight [head_dim], shared by the heads.
template <class T>
void head_rms_norm_forward(Exec& exec, View<T, 2> y, OptionalOut<T, 2> rstd, In<T, 2> x, In<T, 1> weight,
                           std::size_t first_head, std::size_t num_heads, double eps);
/// d_x may be the buffer of d_y.
template <class T>
void head_rms_norm_backward(Exec& exec, View<T, 2> d_x, View<T, 1> d_weight, In<T, 2> d_y, In<T, 2> x, In<T, 1> weight,
                            In<T, 2> rstd, std::size_t first_head, std::size_t num_heads);

}  // namespace minimoe
