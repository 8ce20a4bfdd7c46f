// SPDX-License-Identifier: Apache-2.0
// The matrix product of an installed BLAS, in builds with MINIMOE_WITH_BLAS.
#pragma once

#include "minimoe/core/tensor.hpp"

namespace minimoe {

/// As matmul, which has checked every shape; no extent is 0. BLAS keeps its own threads.
template <class T>
void blas_matmul(View<T, 2> c, In<T, 2> a, bool transpose_a, In<T, 2> b, bool transpose_b, bool accumulate);

}  // namespace minimoe
