// SPDX-License-Identifier: Apache-2.0
// Softmax cross entropy over a vocabulary.
#pragma once

#include "minimoe/core/exec.hpp"

namespace minimoe {

inline constexpr std::int32_t kIgnoreIndex = -100;  ///< target of a token that is context only (torch's default)

struct CrossEntropySum {
  double loss = 0;              ///< sum of -ln softmax(logits)[target] over the counted tokens, in nats
  std::size_t num_targets = 0;  ///< tokens whose target is not kIgnoreIndex
};

/// Sum of the losses, accumulated in double, in an order that T alone fixes. @param lse [T] logsumexp of each row, for
/// backward; absent at inference.
/// @throws Error(kInvalidArgument) for a target outside [0, V) that is not kIgnoreIndex, naming position and value.
template <class T>
CrossEntropySum cross_entropy_forward(Exec& exec, OptionalOut<T, 1> lse, View<const std::type_identity_t<T>, 2> logits,
                                      View<const std::int32_t, 1> targets);
/// d_logits[t,j] = scale * (softmax(logits[t,:])[j] - [j == target]), 0 for ignored tokens; in place over logits is
/// allowed.
template <class T>
void cross_entropy_backward(Exec& exec, View<T, 2> d_logits, In<T, 2> logits, In<T, 1> lse,
                            View<const std::int32_t, 1> targets, double scale);

}  // namespace minimoe
