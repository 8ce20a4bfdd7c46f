// SPDX-License-Identifier: Apache-2.0
// Watches how a run with bias balancing begins.
#pragma once

#include <string>
#include <vector>

#include "minimoe/model/model_config.hpp"
#include "minimoe/moe/routing_stats.hpp"

namespace minimoe {

/// Bias balancing moves tokens without moving gate weight. From a router whose probability is nearly all on K experts
/// it evens the counts while the moved tokens weigh next to nothing (sham balance), so that start is worth a warning.
class BiasGuard {
 public:
  static constexpr std::int64_t kSteps = 10;  ///< the start: the first steps, in which the router has hardly moved
  /// Where the effective number of experts of the gate mass lies between K (0) and E (1).
  static constexpr double kLeastSpread = 0.25;

  explicit BiasGuard(const ModelConfig& config);
  /// `step` is the number of the step (1 is the first), `routing` what it did. Allocates only to warn; when that fails,
  /// the same step can be observed again.
  void observe(std::int64_t step, const std::vector<RoutingStats>& routing);
  const std::string& warning() const { return warning_; }

 private:
  std::string judge() const;

  bool watching_;
  std::size_t top_k_;
  std::int64_t observed_ = 0;
  std::vector<std::size_t> blocks_;
  std::vector<std::vector<double>> prob_sums_;  // [MoE layer][E]
  std::string warning_;
};

}  // namespace minimoe
