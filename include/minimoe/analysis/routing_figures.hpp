// SPDX-License-Identifier: Apache-2.0
// What a span of a router log says about balance, in figures. docs/health.md has each formula.
#pragma once

#include <span>

#include "minimoe/analysis/router_log.hpp"
#include "minimoe/moe/load_statistics.hpp"

namespace minimoe {

/// Below and above which multiple of an even share an expert is called cold and hot.
struct ExpertLimits {
  double cold_below = 0.1, hot_above = 1.25;
};

/// Names and meaning of a check that many scripts do: the variance over the experts of each one's share (times E), and
/// how many are hot and cold.
struct ExpertHealth {
  double utilization_variance = 0;
  std::size_t hot_count = 0, cold_count = 0;
};

/// What LoadStatistics says of counts, of shares that sum to 1.
struct MassStatistics {
  double entropy = 1;               ///< H / ln E, 0..1; 1 when E = 1
  double effective_experts = 1;     ///< exp(H), 1..E
  double max_violation = 0;         ///< E times the largest share, less 1: 0..E - 1
  std::vector<double> utilisation;  ///< [E], E times each share
};

/// Of one layer over a span of steps. Gate figures are of mean_probs, or of gate_weight_share where the log has only
/// that; without either `has_gate` is false and they mean nothing.
struct RoutingFigures {
  std::size_t num_experts = 0, top_k = 0;
  std::int64_t first_step = 0, last_step = 0;
  std::int64_t num_steps = 0;  ///< steps that the log holds of the span
  std::int64_t num_tokens = 0;

  std::vector<std::int64_t> load;  ///< [E]
  LoadStatistics counts;           ///< of load, max_violation among it: that of the window
  double effective_share = 1;      ///< effective_experts / E
  double distance = 1;  ///< (effective_experts - K) / (E - K): 0 all tokens on the same K, 1 even; 1 when K = E
  double max_violation_batch = 0;  ///< mean over the steps
  bool is_batch_exact = true;      ///< false: lines sum steps, and max_violation_batch is a lower bound
  double max_share_batch = 0;      ///< max_violation_batch / (E/K - 1): 1 when each batch is on the same K experts
  double chance_violation = 0;     ///< max_violation that batches of this size have by chance under a fair router

  bool has_gate = false, has_probs = false;
  std::vector<double> mean_probs, gate_weight_share;  ///< [E], or empty
  std::optional<MassStatistics> probs, weights;       ///< of mean_probs and of gate_weight_share
  double gate_effective_experts = 0, gate_share = 0;  ///< exp(entropy) of the gate mass, and over E
  double gate_distance = 1;                           ///< (gate_effective_experts - 1) / (E - 1); 1 when E = 1
  double gate_excess = 0;                             ///< largest gate mass of an expert beyond its share of the counts
  std::size_t gate_excess_expert = 0;                 ///< whose that is
  double gate_gap = 0;  ///< half the sum of |gate mass - share of counts|: 0 the same, 1 apart

  std::optional<double> drop_rate;
  std::optional<double> router_logit_norm;   ///< over all tokens of the span
  std::optional<double> aux_loss, z_loss;    ///< means over the steps; none unless every line has them
  std::optional<double> bias_min, bias_max;  ///< of the last line
  std::vector<std::size_t> dead, cold, hot;  ///< experts

  /// An upper bound of the probability that a fair router gives some expert a count as far from even as the farthest
  /// here (Chernoff, times E), tokens being independent.
  double chance = 1;
  /// E (1 - 1/E)^(tokens * K): the probability, about, that a fair router misses some expert in so few tokens.
  double chance_of_missing = 1;

  ExpertHealth from_probabilities, from_assignments;
};

/// `entries` must not be empty and belong to one layer. @throws Error(kInvalidArgument) when a sum overflows.
RoutingFigures routing_figures(std::span<const RouterLogEntry> entries, std::size_t top_k,
                               const ExpertLimits& limits = {});

}  // namespace minimoe
