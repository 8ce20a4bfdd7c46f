// SPDX-License-Identifier: Apache-2.0
#include "analysis/number_text.hpp"
#include "minimoe/analysis/health.hpp"
#include "minimoe/core/error.hpp"

namespace minimoe {
namespace {

constexpr std::size_t kShownWindows = 12;

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.insert(0, width - text.size(), ' ');
  return text;
}

std::string name_of(const LayerHealth& layer) {
  return concat("layer ", layer.layer, layer.block ? concat(" (block ", *layer.block, ")") : "");
}

std::string row(const WindowHealth& window) {
  const RoutingFigures& f = window.figures;
  return concat("    ", padded(concat(f.first_step, "..", f.last_step), 15), padded(verdict_name(window.verdict), 11),
                padded(fixed_text(f.effective_share, 2), 8), padded(f.has_gate ? fixed_text(f.gate_share, 2) : "-", 8),
                padded(fixed_text(f.counts.max_share, 2), 8), padded(fixed_text(f.counts.max_violation, 2), 8),
                padded(fixed_text(f.max_violation_batch, 2), 8), padded(concat(f.cold.size()), 6), "\n");
}

std::string or_not_in_the_log(const std::optional<double>& value, int decimals) {
  return value ? fixed_text(*value, decimals) : "not in the log";
}

std::string loss_text(const std::optional<double>& loss, const std::optional<double>& coef) {
  return concat(or_not_in_the_log(loss, 3),
                loss && coef ? concat(" (weighted ", fixed_text(*loss * *coef, 5), ")") : "");
}

// What the table does not show, of the last window: first of the experts, then of the router.
std::string figures_text(const RoutingFigures& f, const HealthOptions& o) {
  const std::optional<MassStatistics>& mass = f.has_probs ? f.probs : f.weights;
  const double cv = f.counts.share_stddev * static_cast<double>(f.num_experts);
  return concat("    entropy ", fixed_text(f.counts.load_entropy, 3), " of the counts, ",
                mass ? fixed_text(mass->entropy, 3) : "not in the log", " of the gate mass; CV ", fixed_text(cv, 3),
                "; hot ", f.hot.size(), ", cold ", f.cold.size(), ", dead ", f.dead.size(), "; dropped ",
                f.drop_rate ? fixed_text(100 * *f.drop_rate, 1) + " %" : "not in the log", "\n    aux loss ",
                loss_text(f.aux_loss, o.aux_loss_coef), "; z loss ", loss_text(f.z_loss, o.z_loss_coef), "\n");
}

// How large the logits are, how far the selection bias reaches.
std::string router_text(const RoutingFigures& f) {
  const std::string bias = f.bias_min && f.bias_max ? concat(*f.bias_min, " .. ", *f.bias_max) : "not in the log";
  return concat("    router logit norm ", or_not_in_the_log(f.router_logit_norm, 3), "; selection bias ", bias, "\n");
}

std::string windows_text(const LayerHealth& layer) {
  std::string text =
      concat("    ", padded("steps", 15), padded("verdict", 11), padded("n_eff/E", 8), padded("gate/E", 8),
             padded("share", 8), padded("MaxVio", 8), padded("batch", 8), padded("cold", 6), "\n");
  const std::size_t count = layer.windows.size();
  if (count > kShownWindows) text += concat("    ... ", count - kShownWindows, " windows before\n");
  for (std::size_t i = count > kShownWindows ? count - kShownWindows : 0; i < count; ++i) text += row(layer.windows[i]);
  return text;
}

}  // namespace

std::string health_text(const HealthReport& report) {
  const HealthOptions& o = report.options;
  std::string text = concat("health: ", verdict_name(report.verdict), " (windows of ", o.window, " steps, warm-up ",
                            o.warmup, "; the worst layer decides)\n");
  for (const LayerHealth& layer : report.layers) {
    text += concat("  ", name_of(layer), ", E = ", layer.num_experts, ", K = ", layer.top_k, ": ",
                   verdict_name(layer.verdict), " by ", layer.rule, "\n    ", layer.reason, "\n");
    for (const std::string& advice : layer.advice) text += concat("    try: ", advice, "\n");
    for (const std::string& finding : layer.findings) text += concat("    note: ", finding, "\n");
    text += figures_text(layer.figures, o) + router_text(layer.figures) + windows_text(layer);
  }
  return text;
}

}  // namespace minimoe
