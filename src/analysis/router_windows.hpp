// SPDX-License-Identifier: Apache-2.0
// What the signals of a run said, window by window: loss, balance loss, counts, gate mass, drops.
#pragma once

#include <cstdint>
#include <vector>

#include "core/json_writer.hpp"
#include "minimoe/analysis/router_log.hpp"

namespace minimoe {

/// A run's steps, one value each. A loss that is not finite is NaN.
struct RunLines {
  std::vector<std::int64_t> steps;
  std::vector<double> loss, aux_loss;
  std::vector<std::vector<RouterLogEntry>> layers;  ///< [MoE layer][line]; empty: a dense model
};

/// Of consecutive lines; routing figures are those of the MoE layer whose counts are least even.
struct RouterWindow {
  std::int64_t first_step = 0, last_step = 0;
  double loss = 0, aux_loss = 0;   ///< means over the steps
  std::vector<std::int64_t> load;  ///< [E] sums; empty without MoE layers, and the rest means nothing then
  std::vector<double> mean_probs;  ///< [E] means
  double effective_share = 0;      ///< exp(entropy of the counts) / E: 1 is even
  double gate_mass_share = 0;      ///< the same of mean_probs
  double largest_share = 0;        ///< of all assignments
  double largest_gate_mass = 0;    ///< of mean_probs
  double max_violation = 0;        ///< of the window's counts
  std::size_t num_cold = 0, num_dead = 0;
  double drop_rate = 0;
};

/// Windows of `size` lines, 1 or more; what is left at the end joins the last one.
std::vector<RouterWindow> router_windows(const RunLines& lines, std::size_t size, std::size_t top_k);

/// Appends it as an object. Without MoE layers it has steps and loss alone.
void write_router_window(JsonWriter& list, const RouterWindow& window);

}  // namespace minimoe
