// SPDX-License-Identifier: Apache-2.0
// What routers that know nothing choose on the inputs of a trained layer.
#pragma once

#include "minimoe/core/exec.hpp"

namespace minimoe {

/// Fresh weights, normal by (seed, name, index); each expert's logits are shifted and scaled to mean 0 and variance 1
/// over the tokens, since a trained router is balanced and a fresh one is not. @return [T, K] by descending logit, ties
/// to the lower index
template <class T>
std::vector<std::int32_t> random_router_choices(Exec& exec, View<const T, 2> x_TD, std::size_t num_experts,
                                                std::size_t top_k, std::uint64_t seed, const std::string& name);

}  // namespace minimoe
