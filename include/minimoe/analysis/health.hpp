// SPDX-License-Identifier: Apache-2.0
// Is a router in order? A verdict per MoE layer, with the rule and the figures that decided it. docs/health.md has the
// rule in words, where its limits come from, and how often it is right.
#pragma once

#include <string>

#include "minimoe/analysis/routing_figures.hpp"

namespace minimoe {

/// From good to bad: the worst layer is the verdict of all.
enum class Verdict {
  kHealthy,    ///< every expert has its part of the tokens and of the gate mass
  kUntested,   ///< too early, too few tokens, or nothing that could be judged
  kSkewed,     ///< uneven: an expert cold or overloaded, or tokens dropped
  kAtRisk,     ///< on the way to collapse, or back and forth
  kSham,       ///< counts even, gate mass not
  kCollapsed,  ///< (nearly) all tokens on as many experts as one token uses, or one expert chosen by every token
};
const char* verdict_name(Verdict verdict);

/// Every limit of the rule. The distance of n experts is (n - K) / (E - K), for the gate mass (n - 1) / (E - 1).
struct HealthOptions {
  std::int64_t window = 50;            ///< steps that a verdict looks at, 1 or more
  std::int64_t warmup = 50;            ///< steps of learning-rate warm-up; nothing up to there is judged
  std::int64_t settle_steps = 50;      ///< steps after the warm-up before the first verdict
  double collapsed_below = 0.4;        ///< distance of the effective experts
  double skewed_below = 0.8;           ///< distance of the effective experts
  double always_chosen_above = 0.9;    ///< max_share: one expert that (nearly) every token goes to
  double often_chosen_above = 0.6;     ///< max_share: skewed
  double overloaded_above = 3;         ///< max_violation: skewed
  double gate_collapsed_below = 0.45;  ///< distance of the gate mass: sham, unless the counts are as bad
  double gate_excess_above = 0.25;     ///< gate mass of an expert beyond its share of the counts: sham
  double gate_gap_above = 0.35;   ///< half the sum of |gate mass - share of counts|: sham, if the gate mass is on fewer
  double drop_rate_above = 0.05;  ///< skewed
  double cold_below = 0.1;        ///< of an even share: the expert is cold, the layer skewed
  double hot_above = 1.25;        ///< of an even share: the expert is hot, which judges nothing
  double chance_above = 1e-6;     ///< what chance does as often is no finding: untested
  double early_share_above = 0.85;  ///< max_share soon after the warm-up: at risk, if the gate mass agrees
  double falling_above = 0.15;      ///< loss of distance over the last windows: at risk, if it leads to collapse
  // What the trainer knows and a log does not; for the advice and the weighted losses.
  std::optional<double> aux_loss_coef, z_loss_coef, router_init_std;
  std::optional<bool> bias_balancing;

  /// One message for each bad field; empty when all is well.
  std::vector<std::string> problems() const;
};

/// Of one span of steps.
struct WindowHealth {
  Verdict verdict = Verdict::kUntested;
  std::string rule, reason;
  RoutingFigures figures;
};

struct LayerHealth {
  std::int64_t layer = 0;
  std::optional<std::int64_t> block;
  std::size_t num_experts = 0, top_k = 0;
  Verdict verdict = Verdict::kUntested;
  std::string rule;    ///< name of the rule that decided
  std::string reason;  ///< one sentence with figures
  std::vector<std::string> advice, findings;
  RoutingFigures figures;             ///< of the last window
  std::vector<WindowHealth> windows;  ///< oldest first; the last is the one that decided
};

struct HealthReport {
  Verdict verdict = Verdict::kUntested;
  HealthOptions options;
  std::vector<LayerHealth> layers;
};

/// @throws Error(kInvalidArgument) for options out of range or no layers.
HealthReport check_health(const std::vector<RouterLayerLog>& log, const HealthOptions& options = {});

/// {"verdict", "window", "warmup", "options", "layers": [..], "text"}
std::string health_json(const HealthReport& report);
/// What a terminal shows, lines of at most 120 characters where no reason is longer.
std::string health_text(const HealthReport& report);

}  // namespace minimoe
