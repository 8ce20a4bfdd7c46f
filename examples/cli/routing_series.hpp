// SPDX-License-Identifier: Apache-2.0
// What the routers of a run did over its steps, read from metrics lines and taken over windows for drawing.
#pragma once

#include <cstdint>
#include <vector>

#include "json_text.hpp"

namespace cli {

/// One MoE layer at every step that has a line.
struct RoutingSeries {
  std::size_t block = 0, num_experts = 0;
  double top_k = 0;                        ///< assignments a token; 0 when the lines do not say how many tokens
  std::vector<double> steps;               ///< rising
  std::vector<std::vector<double>> load;   ///< [step][expert] assignments
  std::vector<std::vector<double>> probs;  ///< [step][expert] mean router probability
  std::vector<double> dropped;             ///< [step] assignments
};

/// One entry an MoE layer. @throws BadInput: the line, the member, what came and what is allowed.
std::vector<RoutingSeries> read_routing_series(const std::vector<Json>& metrics_lines);

/// max(load) / mean(load) - 1; 0 when all are 0.
double max_violation(const std::vector<double>& load);

/// A layer over the `window` lines that end at a step.
struct RoutingWindow {
  double step = 0;
  std::vector<double> share, low, high;  ///< [expert] of the load: of the window; smallest, largest of a batch in it
  std::vector<double> mass;              ///< [expert] mean router probability of the window
  double effective_share = 0, mass_effective_share = 0;  ///< effective experts of load and of gate mass, over E
  double violation = 0, batch_violation = 0;             ///< MaxVio of the window; mean of its batches'
  double batch_violation_high = 0;
  double drop_rate = 0;
};

RoutingWindow routing_window(const RoutingSeries& series, std::size_t end, std::size_t window);
/// About `max_points` windows, evenly over the lines, the last line's included.
std::vector<RoutingWindow> routing_windows(const RoutingSeries& series, std::size_t window, std::size_t max_points);

}  // namespace cli
