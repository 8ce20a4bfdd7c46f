// SPDX-License-Identifier: Apache-2.0
// The residual connection.
#pragma once

#include "minimoe/core/exec.hpp"

namespace minimoe {

/// y = x + branch. Its backward is the identity for both.
template <class T>
void residual_forward(Exec& exec, View<T, 1> y, In<T, 1> x, In<T, 1> branch);

/// y += x; how the gradients of two branches meet.
template <class T>
void add_inplace(Exec& exec, View<T, 1> y, In<T, 1> x);

}  // namespace minimoe
