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

/// c = op(a) * op(b) + bias in every row, as matmul in all else. @param bias [N]; absent: none.
template <class T>
void matmul_with_bias(Exec& exec, View<T, 2> c, In<T, 2> a, Transpose transpose_a, In<T, 2> b, Transpose transpose_b,
                      In<T, 1> bias);

/// A rectangle of c.
struct MatmulPart {
  std::size_t row_begin, row_end, column_begin, column_end;
};

/// What is done to each part of a product as soon as it is complete, while it is in a near cache. Parts come from
/// several threads, in any order, and depend on the sizes alone, those of a single row on the number of threads too;
/// together they are all of c.
class MatmulFinish {
 public:
  /// @param body body(const MatmulPart&), which the caller keeps alive during the product.
  template <class Body>
  MatmulFinish(const Body& body)  // NOLINT(google-explicit-constructor): a lambda at the call
      : body_(&body), call_([](const void* at, const MatmulPart& part) { (*static_cast<const Body*>(at))(part); }) {}

  void operator()(const MatmulPart& part) const { call_(body_, part); }

 private:
  const void* body_;
  void (*call_)(const void* body, const MatmulPart& part);
};

/// matmul_with_bias, then `finish`.
template <class T>
void matmul_and_finish(Exec& exec, View<T, 2> c, In<T, 2> a, Transpose transpose_a, In<T, 2> b, Transpose transpose_b,
                       In<T, 1> bias, const MatmulFinish& finish);

}  // namespace minimoe
