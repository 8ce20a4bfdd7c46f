// SPDX-License-Identifier: Apache-2.0
// The losses that keep a router balanced and its logits small, as forward/backward pairs on router outputs.
#pragma once

#include "minimoe/core/exec.hpp"
#include "minimoe/moe/moe_config.hpp"

namespace minimoe {

/// Switch-Transformer load-balancing loss, generalised from top-1 to top-K.
///
///   aux_loss = E * sum_e f_e * P_e
///   f_e = load[e] / (T*K)             share of the assignments; a constant, carries no gradient
///   P_e = (1/T) * sum_t probs[t,e]    mean router probability; carries the gradient
///
/// @param prob_sum [E] sum over the T tokens of the full softmax before top-k and without expert_bias.
/// @param load     [E] assignments before any capacity drop; must sum to T*K.
/// @return Dimensionless and unscaled (the caller applies aux_loss_coef). 1 when load is uniform; E when K = 1 and
///         every token goes to one expert with probability 1; E/K when all pick the same K with all the mass. Not
///         bounded below by 1. Hugging Face's value is K times ours.
/// @throws Error(kInvalidArgument) if T == 0, sizes disagree, or sum(load) != T*K.
/// @see Fedus et al., "Switch Transformers", arXiv:2101.03961, section 2.2.
double switch_aux_loss(View<const double, 1> prob_sum, View<const std::int64_t, 1> load, std::int64_t num_tokens,
                       std::size_t top_k);

}  // namespace minimoe
