// SPDX-License-Identifier: Apache-2.0
// The one seam through which every matrix product goes.
#pragma once

#include "minimoe/core/exec.hpp"

namespace minimoe {

enum class Transpose { kNo, kYes };
enum class Accumulate { kNo, kYes };

/// c = op(a) * op(b), or c += with Accumulate::kYes.
/// @param c [M, N]. @param a [M, K], or [K, M] with Transpose::kYes. @param b [K, N], or [N, K] with Transpose::kYes.
/// K = 0 gives zeros (or leaves c). A row of c depends only on its row of op(a) and on b: not on M, not on threads.
/// Not possible inside a body of exec.parallel_for: the packing scratch is one for all workers. @throws
/// Error(kInternal). c must not overlap a or b. @throws Error(kInvalidArgument) with all three shapes when they
/// disagree.
template <class T>
void matmul(Exec& exec, View<T, 2> c, In<T, 2> a, Transpose transpose_a, In<T, 2> b, Transpose transpose_b,
            Accumulate accumulate = Accumulate::kNo);

}  // namespace minimoe
