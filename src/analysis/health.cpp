// SPDX-License-Identifier: Apache-2.0
#include "minimoe/analysis/health.hpp"

#include <algorithm>

#include "analysis/layer_health.hpp"
#include "minimoe/core/error.hpp"

namespace minimoe {

const char* verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kHealthy:
      return "healthy";
    case Verdict::kUntested:
      return "untested";
    case Verdict::kSkewed:
      return "skewed";
    case Verdict::kAtRisk:
      return "at-risk";
    case Verdict::kSham:
      return "sham";
    case Verdict::kCollapsed:
      return "collapsed";
  }
  return "?";
}

std::vector<std::string> HealthOptions::problems() const {
  std::vector<std::string> found;
  const auto check = [&](bool good, const char* key, double value, const char* allowed) {
    if (!good) found.push_back(concat(key, ": ", value, ", allowed ", allowed));
  };
  check(window >= 1, "window", static_cast<double>(window), "1 or more");
  check(warmup >= 0, "warmup", static_cast<double>(warmup), "0 or more");
  check(settle_steps >= 0, "settle_steps", static_cast<double>(settle_steps), "0 or more");
  const auto share = [&](double value, const char* key) { check(value >= 0 && value <= 1, key, value, "0..1"); };
  share(collapsed_below, "collapsed_below");
  share(skewed_below, "skewed_below");
  share(always_chosen_above, "always_chosen_above");
  share(often_chosen_above, "often_chosen_above");
  check(overloaded_above >= 0, "overloaded_above", overloaded_above, "0 or more");
  share(gate_collapsed_below, "gate_collapsed_below");
  share(gate_excess_above, "gate_excess_above");
  share(gate_gap_above, "gate_gap_above");
  share(drop_rate_above, "drop_rate_above");
  share(cold_below, "cold_below");
  check(hot_above >= 1, "hot_above", hot_above, "1 or more");
  share(chance_above, "chance_above");
  share(early_share_above, "early_share_above");
  share(falling_above, "falling_above");
  return found;
}

HealthReport check_health(const std::vector<RouterLayerLog>& log, const HealthOptions& options) {
  require_no_problems(options.problems());
  require(!log.empty(), "check_health: no layers");
  HealthReport report;
  report.options = options;
  report.verdict = Verdict::kHealthy;
  for (const RouterLayerLog& layer : log) {
    report.layers.push_back(check_layer(layer, options));
    LayerHealth& checked = report.layers.back();
    checked.advice = health_advice(checked, options);
    report.verdict = std::max(report.verdict, checked.verdict);
  }
  return report;
}

}  // namespace minimoe
