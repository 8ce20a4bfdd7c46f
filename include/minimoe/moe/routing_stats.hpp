// SPDX-License-Identifier: Apache-2.0
// What one routing call, or a window of them, did.
#pragma once

#include <cstdint>
#include <vector>

namespace minimoe {

/// Sums over the valid tokens of one or more calls of one MoE layer. Integers are exact; sums are in double in token
/// order.
struct RoutingStats {
  std::vector<std::int64_t> load;       ///< [E] assignments before any capacity drop; sums to num_tokens * K
  std::vector<std::int64_t> dropped;    ///< [E] assignments cut by capacity
  std::vector<double> prob_sum;         ///< [E] sum of router_probs (sigmoid rows normalised)
  std::vector<double> gate_weight_sum;  ///< [E] sum of combine weights before any drop
  std::int64_t num_tokens = 0;          ///< valid tokens
  std::int64_t num_dropped = 0;
  double logit_square_sum = 0;  ///< sum over tokens and experts of router_logits^2
  double aux_loss = 0;  ///< of the last call, unscaled, in the configured scope (micro-batch value for kGlobalBatch)
  double z_loss = 0;    ///< of the last call, unscaled
  double z_sum = 0;     ///< sum over tokens of logsumexp^2

  /// Sizes for `num_experts` and zeroes everything; allocates only when the size changes.
  void reset(std::size_t num_experts);
  /// Adds the sums of `other`, and takes its last-call losses.
  void add(const RoutingStats& other);
};

}  // namespace minimoe
