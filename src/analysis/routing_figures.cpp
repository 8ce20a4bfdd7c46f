// SPDX-License-Identifier: Apache-2.0
#include "minimoe/analysis/routing_figures.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "analysis/chance.hpp"
#include "minimoe/core/error.hpp"

namespace minimoe {
namespace {

using Entries = std::span<const RouterLogEntry>;
using Shares = std::vector<double> RouterLogEntry::*;

// The mean of a share vector over all tokens of the entries; empty unless every entry has it.
std::vector<double> mean_shares(Entries entries, Shares member) {
  std::vector<double> sum(entries.front().load.size());
  double total = 0;
  for (const RouterLogEntry& entry : entries) {
    const std::vector<double>& shares = entry.*member;
    if (shares.empty()) return {};
    const double weight = static_cast<double>(entry.num_assignments());
    for (std::size_t e = 0; e < sum.size(); ++e) sum[e] += weight * shares[e];
  }
  total = std::accumulate(sum.begin(), sum.end(), 0.0);
  for (double& share : sum) share /= total;  // rounded logs do not sum to 1
  return sum;
}

// Root of the mean over all tokens of the squared norm; none unless every entry has it.
std::optional<double> root_mean_square_norm(Entries entries) {
  double squares = 0, total = 0;
  for (const RouterLogEntry& entry : entries) {
    if (!entry.router_logit_norm) return std::nullopt;
    const double weight = static_cast<double>(entry.num_assignments());
    squares += weight * *entry.router_logit_norm * *entry.router_logit_norm;
    total += weight;
  }
  return std::sqrt(squares / total);
}

// Mean over the steps of what each line says; none unless every entry has it.
std::optional<double> mean_over_steps(Entries entries, std::optional<double> RouterLogEntry::*member) {
  double sum = 0, num_steps = 0;
  for (const RouterLogEntry& entry : entries) {
    const std::optional<double>& value = entry.*member;
    if (!value) return std::nullopt;
    const double weight = static_cast<double>(entry.num_steps);
    sum += weight * *value;
    num_steps += weight;
  }
  return sum / num_steps;
}

std::optional<MassStatistics> mass_statistics(const std::vector<double>& shares) {
  if (shares.empty()) return std::nullopt;
  MassStatistics mass;
  const double num_experts = static_cast<double>(shares.size());
  mass.effective_experts = effective_count(shares);
  if (shares.size() > 1) mass.entropy = std::log(mass.effective_experts) / std::log(num_experts);
  mass.max_violation = num_experts * *std::max_element(shares.begin(), shares.end()) - 1;
  for (const double share : shares) mass.utilisation.push_back(num_experts * share);
  return mass;
}

ExpertHealth expert_health(const std::vector<double>& shares, const ExpertLimits& limits) {
  ExpertHealth health;
  const double num_experts = static_cast<double>(shares.size());
  for (const double share : shares) {
    const double utilisation = num_experts * share;
    health.utilization_variance += (utilisation - 1) * (utilisation - 1) / num_experts;
    health.hot_count += utilisation > limits.hot_above;
    health.cold_count += utilisation < limits.cold_below;
  }
  return health;
}

void sum_counts(RoutingFigures& f, Entries entries) {
  f.load.assign(f.num_experts, 0);
  std::int64_t room = std::numeric_limits<std::int64_t>::max(), dropped = 0, assignments = 0;
  bool knows_drops = true;
  double violations = 0;
  for (const RouterLogEntry& entry : entries) {
    const std::int64_t count = entry.num_assignments();
    require(count <= room, "router log: the counts of layers sum to more than 2^63");
    room -= count;
    assignments += count;
    for (std::size_t e = 0; e < f.num_experts; ++e) f.load[e] += entry.load[e];
    f.num_steps += entry.num_steps;
    knows_drops = knows_drops && entry.num_dropped.has_value();
    dropped += entry.num_dropped.value_or(0);
    if (!entry.max_violation_batch && entry.num_steps > 1) f.is_batch_exact = false;
    // Averaging batches can only hide: what a line that sums steps shows is the least that its batches had.
    violations += static_cast<double>(entry.num_steps) * entry.max_violation_batch.value_or(max_violation(entry.load));
  }
  f.num_tokens = assignments / static_cast<std::int64_t>(f.top_k);
  f.max_violation_batch = violations / static_cast<double>(f.num_steps);
  if (knows_drops) f.drop_rate = static_cast<double>(dropped) / static_cast<double>(assignments);
}

void measure_counts(RoutingFigures& f, const ExpertLimits& limits) {
  const double experts = static_cast<double>(f.num_experts), top_k = static_cast<double>(f.top_k);
  const double tokens = static_cast<double>(f.num_tokens);
  f.counts = load_statistics(f.load, f.top_k);
  f.effective_share = f.counts.effective_experts / experts;
  if (f.top_k < f.num_experts) {
    f.distance = std::max(0.0, (f.counts.effective_experts - top_k) / (experts - top_k));
    f.max_share_batch = f.max_violation_batch / (experts / top_k - 1);
  }
  f.chance_violation = chance_violation(f.num_experts, f.top_k, tokens / static_cast<double>(f.num_steps));
  f.chance = chance_of_load(f.load, f.top_k);
  f.chance_of_missing = chance_of_missing_expert(f.num_experts, f.top_k, tokens);
  for (std::size_t e = 0; e < f.num_experts; ++e) {
    const double utilisation = f.counts.utilisation[e];
    if (f.load[e] == 0) f.dead.push_back(e);
    if (utilisation < limits.cold_below) f.cold.push_back(e);
    if (utilisation > limits.hot_above) f.hot.push_back(e);
  }
}

void measure_gate(RoutingFigures& f, const ExpertLimits& limits) {
  const std::vector<double>& gate = f.has_probs ? f.mean_probs : f.gate_weight_share;
  f.has_gate = !gate.empty();
  const double total = static_cast<double>(std::accumulate(f.load.begin(), f.load.end(), std::int64_t{0}));
  std::vector<double> shares;
  for (const std::int64_t count : f.load) shares.push_back(static_cast<double>(count) / total);
  f.from_assignments = expert_health(shares, limits);
  if (!f.has_gate) return;
  f.probs = mass_statistics(f.mean_probs);
  f.weights = mass_statistics(f.gate_weight_share);
  f.gate_effective_experts = (f.has_probs ? f.probs : f.weights)->effective_experts;
  const double experts = static_cast<double>(f.num_experts);
  f.gate_share = f.gate_effective_experts / experts;
  if (f.num_experts > 1) f.gate_distance = std::max(0.0, (f.gate_effective_experts - 1) / (experts - 1));
  for (std::size_t e = 0; e < f.num_experts; ++e) {
    const double excess = gate[e] - shares[e];
    f.gate_gap += std::abs(excess) / 2;
    if (excess <= f.gate_excess) continue;
    f.gate_excess = excess;
    f.gate_excess_expert = e;
  }
  f.from_probabilities = expert_health(gate, limits);
}

}  // namespace

RoutingFigures routing_figures(Entries entries, std::size_t top_k, const ExpertLimits& limits) {
  require(!entries.empty(), "routing_figures: no entries");
  RoutingFigures f;
  f.num_experts = entries.front().load.size();
  f.top_k = top_k;
  f.first_step = entries.front().step - entries.front().num_steps + 1;
  f.last_step = entries.back().step;
  sum_counts(f, entries);
  measure_counts(f, limits);
  f.mean_probs = mean_shares(entries, &RouterLogEntry::mean_probs);
  f.gate_weight_share = mean_shares(entries, &RouterLogEntry::gate_weight_share);
  f.has_probs = !f.mean_probs.empty();
  measure_gate(f, limits);
  const RouterLogEntry& last = entries.back();
  f.router_logit_norm = root_mean_square_norm(entries);
  f.aux_loss = mean_over_steps(entries, &RouterLogEntry::aux_loss);
  f.z_loss = mean_over_steps(entries, &RouterLogEntry::z_loss);
  f.bias_min = last.bias_min;
  f.bias_max = last.bias_max;
  return f;
}

}  // namespace minimoe
