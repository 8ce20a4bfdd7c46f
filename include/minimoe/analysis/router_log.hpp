// SPDX-License-Identifier: Apache-2.0
// What routers did over time, whoever trained them: the input of a health check.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace minimoe {

/// Sums of one layer over `num_steps` steps, the last of which is `step`.
struct RouterLogEntry {
  std::int64_t step = 0;
  std::int64_t num_steps = 1;
  std::vector<std::int64_t> load;         ///< [E] assignments before any drop; sums to tokens * K
  std::vector<double> mean_probs;         ///< [E] mean router probabilities over the tokens; empty: unknown
  std::vector<double> gate_weight_share;  ///< [E] each expert's share of all combine weights; empty: unknown
  std::optional<std::int64_t> num_dropped;
  std::optional<double> max_violation_batch;  ///< mean over the steps of each step's max_violation
  std::optional<double> router_logit_norm, aux_loss, z_loss, bias_min, bias_max;  ///< see docs/health.md

  std::int64_t num_assignments() const;
};

struct RouterLayerLog {
  std::int64_t layer = 0;
  std::optional<std::int64_t> block;  ///< of the model, when the log says it
  std::size_t num_experts = 0, top_k = 0;
  std::vector<RouterLogEntry> entries;  ///< steps rise
  std::size_t num_left_out = 0;         ///< earlier lines that were read and are not kept
  RouterLogEntry first = {};            ///< the first of these, when there are any
};

/// How far mean_probs and gate_weight_share may sum from 1: logs are rounded, and sums of bfloat16 are not exact.
inline constexpr double kProbabilitySumTolerance = 5e-3;

/// Of one layer's lines, the last ones are kept: so many, and fewer where E is above 838.
inline constexpr std::size_t kMostLogEntries = 20000;

/// Reads one JSON object a line: {"step", "layer", "top_k", "load"} and what RouterLogEntry has beside; blank lines are
/// skipped. @return the layers in ascending order. @throws Error(kInvalidArgument) with the number of the line for what
/// no router can have done: negative or fractional counts, a sum that top_k does not divide, a count above the number
/// of tokens, E or top_k that change within a layer, steps that do not rise or intervals that overlap, values that are
/// not finite, probabilities that do not sum to 1, more drops than assignments, keys that are missing, unknown or there
/// twice; and for a text without a line.
std::vector<RouterLayerLog> read_router_log(std::string_view text);

}  // namespace minimoe
