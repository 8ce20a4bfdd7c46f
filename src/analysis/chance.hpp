// SPDX-License-Identifier: Apache-2.0
// What a fair router does by chance: each token picks K of E experts, all sets alike, tokens independent. Tokens of a
// text are not independent, so every probability here is a lower bound of the real one.
#pragma once

#include <cstdint>
#include <vector>

namespace minimoe {

/// Upper bound of the probability that the count of some expert is as far from even as the farthest of `load`: E times
/// the Chernoff bound exp(-T KL(c/T || K/E)) of the binomial count of one expert. At most 1.
double chance_of_load(const std::vector<std::int64_t>& load, std::size_t top_k);

/// E (1 - 1/E)^(num_tokens * K), at most 1; 0 when K = E.
double chance_of_missing_expert(std::size_t num_experts, std::size_t top_k, double num_tokens);

/// The max_violation that `num_tokens` tokens reach by chance, in every second batch at most.
double chance_violation(std::size_t num_experts, std::size_t top_k, double num_tokens);

}  // namespace minimoe
