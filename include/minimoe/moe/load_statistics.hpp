// SPDX-License-Identifier: Apache-2.0
// What a load vector says about balance, by the words of docs/terms.md. Pure functions of counts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace minimoe {

struct LoadStatistics {
  double max_violation = 0;  ///< max(c) / mean(c) - 1: 0 even
  double max_share = 0;      ///< (max(c)/sum(c) - 1/E) / (1/K - 1/E): 0 even, 1 all tokens on the same K; 0 when K = E
  double load_entropy = 1;   ///< H / ln E of c / sum(c), 0..1; 1 when E = 1
  double effective_experts = 0;     ///< exp(H), 1..E
  double share_stddev = 0;          ///< population standard deviation of the E shares c / sum(c)
  std::size_t num_dead = 0;         ///< experts without an assignment
  std::size_t num_cold = 0;         ///< experts below 0.1 of the mean, dead ones included
  std::size_t num_hot = 0;          ///< experts above 1.25 of the mean
  std::vector<double> utilisation;  ///< [E] c_i / mean(c)
};

/// @param load [E] assignments of each expert, in a window or batch of the caller's choice. @param top_k K, 1..E.
/// @throws Error(kInvalidArgument) when load is empty, holds a negative count or sums to 0, or top_k is out of range.
LoadStatistics load_statistics(const std::vector<std::int64_t>& load, std::size_t top_k);

/// max(c) / mean(c) - 1 alone, without an allocation; 0 without an assignment.
double max_violation(const std::vector<std::int64_t>& load);

/// exp(entropy) of non-negative masses, 1..E: effective experts of the gate mass when given mean router probabilities.
/// @throws Error(kInvalidArgument) when empty, not finite, negative or all 0.
double effective_count(const std::vector<double>& masses);

}  // namespace minimoe
