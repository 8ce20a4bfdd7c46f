// SPDX-License-Identifier: Apache-2.0
// Softmax along the last axis.
#pragma once

#include "minimoe/core/exec.hpp"

namespace minimoe {

/// y[t,:] = softmax(x[t,:]); in place (y is x) is allowed. Rows of any finite values give rows that sum to 1.
template <class T>
void softmax_forward(Exec& exec, View<T, 2> y, In<T, 2> x);

/// d_x[t,j] = y[t,j] * (d_y[t,j] - sum_i d_y[t,i] * y[t,i]); in place (d_x is d_y) is allowed.
template <class T>
void softmax_backward(Exec& exec, View<T, 2> d_x, In<T, 2> d_y, In<T, 2> y);

}  // namespace minimoe
