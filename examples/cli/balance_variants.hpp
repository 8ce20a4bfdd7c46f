// SPDX-License-Identifier: Apache-2.0
// The ways to balance a router that can stand side by side.
#pragma once

#include <string>
#include <vector>

#include "json_text.hpp"

namespace cli {

struct Balancer {
  std::string name;   ///< "seq-aux"
  std::string title;  ///< fit for a directory name
  Json config;
};

inline constexpr double kBalanceCoefficient = 0.01;  ///< where the configuration has 0

/// `config` (resolved) balanced in each of the ways that `kinds` names, in that order. @throws BadInput for a name that
/// is unknown or stands there twice, and for a model without an MoE layer.
std::vector<Balancer> balancers(const Json& config, const std::string& kinds);

}  // namespace cli
