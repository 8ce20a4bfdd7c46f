// SPDX-License-Identifier: Apache-2.0
// Aux-loss-free load balancing (Wang et al., arXiv:2408.15664): a bias that moves the choice and nothing else.
#pragma once

#include "minimoe/core/tensor.hpp"

namespace minimoe {

/// expert_bias[i] += rate * sign(mean(load) - load[i]), sign(0) = 0; the comparison is exact in integers. With
/// `centering` the mean of the step's updates is subtracted. Called once per optimizer step with the counts of the
/// whole global batch.
/// @throws Error(kInvalidArgument) when sizes disagree, rate is negative, or a count is negative.
template <class T>
void update_expert_bias(View<T, 1> expert_bias, View<const std::int64_t, 1> load, double rate, bool centering);

}  // namespace minimoe
