// SPDX-License-Identifier: Apache-2.0
// The Switch loss of one layer call in each AuxLossScope: its value, and its gradient to the router probabilities.
#pragma once

#include "minimoe/moe/moe_layer.hpp"

namespace minimoe {

/// The unscaled loss of the forward that `cache` holds; 0 without valid tokens. For kSequence the mean of
/// switch_aux_loss over the sequences that have a valid token; else over all tokens, from the sums in `stats`.
template <class T>
double aux_loss_forward(const MoECache<T>& cache, const RoutingStats& stats, const MoEConfig& config,
                        std::size_t seq_len);

/// d_probs_NE[n, j] = coef * E / count * f_j (overwritten), the token of row n being among the `count` over which P is
/// the mean, and f being the load shares of the scope.
template <class T>
void aux_loss_backward(View<T, 2> d_probs_NE, const MoECache<T>& cache, const MoEConfig& config, std::size_t seq_len,
                       const BalanceGradient& balance);

}  // namespace minimoe
