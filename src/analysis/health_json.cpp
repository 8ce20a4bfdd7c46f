// SPDX-License-Identifier: Apache-2.0
#include "core/json_writer.hpp"
#include "minimoe/analysis/health.hpp"

namespace minimoe {
namespace {

// A member that is null when there is no value.
template <class Value>
void optional_member(JsonWriter& out, const char* key, const std::optional<Value>& value) {
  if (value) {
    out.member(key, *value);
  } else {
    out.raw_member(key, "null");
  }
}

void shares_member(JsonWriter& out, const char* key, const std::vector<double>& shares) {
  if (shares.empty()) {
    out.raw_member(key, "null");
  } else {
    out.member(key, shares);
  }
}

// What the counts have as load_entropy, max_violation_window and utilisation.
void mass_members(JsonWriter& out, const std::string& of, const std::optional<MassStatistics>& mass) {
  optional_member(out, (of + "_entropy").c_str(), mass ? std::optional(mass->entropy) : std::nullopt);
  optional_member(out, (of + "_max_violation").c_str(), mass ? std::optional(mass->max_violation) : std::nullopt);
  shares_member(out, (of + "_utilisation").c_str(), mass ? mass->utilisation : std::vector<double>());
}

std::optional<double> times(const std::optional<double>& loss, const std::optional<double>& coef) {
  return loss && coef ? std::optional(*loss * *coef) : std::nullopt;
}

void expert_health(JsonWriter& out, const char* key, const ExpertHealth& health) {
  out.begin(key, '{').member("utilization_variance", health.utilization_variance);
  out.member("hot_count", health.hot_count).member("cold_count", health.cold_count).end('}');
}

void figures(JsonWriter& out, const RoutingFigures& f, const HealthOptions& options) {
  const auto gate = [&](double value) { return f.has_gate ? std::optional(value) : std::nullopt; };
  out.begin("figures", '{').member("first_step", f.first_step).member("last_step", f.last_step);
  out.member("num_steps", f.num_steps).member("num_tokens", f.num_tokens).member("load", f.load);
  out.member("effective_experts", f.counts.effective_experts).member("effective_share", f.effective_share);
  out.member("effective_distance", f.distance).member("max_share", f.counts.max_share);
  out.member("max_violation_window", f.counts.max_violation).member("max_violation_batch", f.max_violation_batch);
  out.member("max_violation_batch_is_lower_bound", !f.is_batch_exact).member("max_share_batch", f.max_share_batch);
  out.member("load_entropy", f.counts.load_entropy).member("utilisation", f.counts.utilisation);
  out.member("load_cv", f.counts.share_stddev * static_cast<double>(f.num_experts));
  shares_member(out, "mean_probs", f.mean_probs);
  shares_member(out, "gate_weight_share", f.gate_weight_share);
  optional_member(out, "gate_weight_effective_experts",
                  f.weights ? std::optional(f.weights->effective_experts) : std::nullopt);
  mass_members(out, "gate_weight", f.weights);
  optional_member(out, "gate_mass_effective_experts", gate(f.gate_effective_experts));
  optional_member(out, "gate_mass_share", gate(f.gate_share));
  mass_members(out, "gate_mass", f.has_probs ? f.probs : f.weights);
  optional_member(out, "gate_mass_distance", gate(f.gate_distance));
  optional_member(out, "gate_mass_excess", gate(f.gate_excess));
  optional_member(out, "gate_mass_gap", gate(f.gate_gap));
  out.member("dead", f.dead).member("cold", f.cold).member("hot", f.hot);
  optional_member(out, "drop_rate", f.drop_rate);
  optional_member(out, "router_logit_norm", f.router_logit_norm);
  optional_member(out, "aux_loss", f.aux_loss);
  optional_member(out, "aux_loss_weighted", times(f.aux_loss, options.aux_loss_coef));
  optional_member(out, "z_loss", f.z_loss);
  optional_member(out, "z_loss_weighted", times(f.z_loss, options.z_loss_coef));
  optional_member(out, "bias_min", f.bias_min);
  optional_member(out, "bias_max", f.bias_max);
  out.member("chance", f.chance).member("chance_of_missing_expert", f.chance_of_missing);
  out.begin("check_expert_health", '{');
  if (f.has_gate) {
    expert_health(out, "from_probabilities", f.from_probabilities);
  } else {
    out.raw_member("from_probabilities", "null");
  }
  expert_health(out, "from_assignments", f.from_assignments);
  out.end('}').end('}');
}

void window(JsonWriter& out, const WindowHealth& w) {
  const RoutingFigures& f = w.figures;
  out.begin('{').member("first_step", f.first_step).member("last_step", f.last_step);
  out.member("verdict", std::string(verdict_name(w.verdict))).member("rule", w.rule).member("reason", w.reason);
  out.member("effective_share", f.effective_share);
  optional_member(out, "gate_mass_share", f.has_gate ? std::optional(f.gate_share) : std::nullopt);
  out.member("max_share", f.counts.max_share).member("max_violation", f.counts.max_violation);
  out.member("max_violation_batch", f.max_violation_batch).member("num_cold", f.cold.size());
  out.member("num_dead", f.dead.size()).member("num_tokens", f.num_tokens);
  optional_member(out, "drop_rate", f.drop_rate);
  optional_member(out, "router_logit_norm", f.router_logit_norm);
  optional_member(out, "bias_min", f.bias_min);
  optional_member(out, "bias_max", f.bias_max);
  out.end('}');
}

void layer(JsonWriter& out, const LayerHealth& l, const HealthOptions& options) {
  out.begin('{').member("layer", l.layer);
  if (l.block) out.member("block", *l.block);
  out.member("num_experts", l.num_experts).member("top_k", l.top_k);
  out.member("verdict", std::string(verdict_name(l.verdict))).member("rule", l.rule).member("reason", l.reason);
  out.member("advice", l.advice).member("findings", l.findings);
  figures(out, l.figures, options);
  out.begin("windows", '[');
  for (const WindowHealth& w : l.windows) window(out, w);
  out.end(']').end('}');
}

void options_member(JsonWriter& out, const HealthOptions& o) {
  out.begin("options", '{').member("window", o.window).member("warmup", o.warmup);
  out.member("settle_steps", o.settle_steps).member("collapsed_below", o.collapsed_below);
  out.member("skewed_below", o.skewed_below).member("always_chosen_above", o.always_chosen_above);
  out.member("often_chosen_above", o.often_chosen_above).member("overloaded_above", o.overloaded_above);
  out.member("gate_collapsed_below", o.gate_collapsed_below).member("gate_excess_above", o.gate_excess_above);
  out.member("gate_gap_above", o.gate_gap_above);
  out.member("drop_rate_above", o.drop_rate_above).member("cold_below", o.cold_below);
  out.member("hot_above", o.hot_above).member("chance_above", o.chance_above);
  out.member("early_share_above", o.early_share_above).member("falling_above", o.falling_above);
  optional_member(out, "aux_loss_coef", o.aux_loss_coef);
  optional_member(out, "z_loss_coef", o.z_loss_coef);
  optional_member(out, "router_init_std", o.router_init_std);
  optional_member(out, "bias_balancing", o.bias_balancing);
  out.end('}');
}

}  // namespace

std::string health_json(const HealthReport& report) {
  JsonWriter out;
  out.begin('{').member("verdict", std::string(verdict_name(report.verdict)));
  out.member("window", report.options.window).member("warmup", report.options.warmup);
  options_member(out, report.options);
  out.begin("layers", '[');
  for (const LayerHealth& l : report.layers) layer(out, l, report.options);
  out.end(']').member("text", health_text(report));
  return out.end('}').text();
}

}  // namespace minimoe
