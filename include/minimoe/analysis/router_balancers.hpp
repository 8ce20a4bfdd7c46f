// SPDX-License-Identifier: Apache-2.0
// The ways to balance a router that can stand side by side.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "minimoe/train/run_config.hpp"

namespace minimoe {

struct RouterBalancer {
  std::string name;   ///< "seq-aux"
  std::string title;  ///< fit for a directory name: "balance-seq-aux"
  RunConfig config;
};

inline constexpr double kBalanceCoefficient = 0.01;  ///< of the balance loss, where the configuration has 0

/// "none", "aux" (the balance loss), "seq-aux" (of each sequence), "bias" and "bias+aux".
std::vector<std::string> balancer_names();

/// `config` balanced in each of the ways that `kinds` names, separated by commas, in that order. Its own aux_loss_coef
/// (kBalanceCoefficient where that is 0) and bias_update_rate are those that are used.
/// @throws Error(kInvalidArgument), its message beginning with `where`, for a name that is unknown or stands there
/// twice, and for a model without an MoE layer.
std::vector<RouterBalancer> router_balancers(const RunConfig& config, std::string_view kinds,
                                             const std::string& where = "router_balancers");

}  // namespace minimoe
