// SPDX-License-Identifier: Apache-2.0
// What the signals of a run said, window by window: loss, balance loss, counts, gate mass, drops, gradients.
#pragma once

#include <vector>

#include "json_text.hpp"

namespace cli {

/// Of consecutive steps; routing figures are those of the MoE layer whose counts are least even.
struct RouterWindow {
  std::int64_t first_step = 0, last_step = 0;
  double loss = 0, aux_loss = 0;   ///< means over the steps
  double largest_loss = 0;         ///< of one step
  std::vector<std::int64_t> load;  ///< [E] sums
  std::vector<double> mean_probs;  ///< [E] means
  double effective_share = 0;      ///< exp(entropy of the counts) / E: 1 is even
  double gate_mass_share = 0;      ///< the same of mean_probs
  double largest_share = 0;        ///< of all assignments
  double largest_gate_mass = 0;    ///< of mean_probs
  double max_violation = 0;        ///< of the window's counts
  std::size_t num_cold = 0, num_dead = 0;
  double drop_rate = 0;
};

/// Windows of `size` steps; what is left at the end joins the last one. Lines without MoE layers give losses alone.
/// @param lines of metrics.jsonl
std::vector<RouterWindow> router_windows(const std::vector<Json>& lines, std::int64_t size);

Json router_window_json(const RouterWindow& window);

}  // namespace cli
