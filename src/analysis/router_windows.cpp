// SPDX-License-Identifier: Apache-2.0
#include "analysis/router_windows.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "minimoe/analysis/routing_figures.hpp"

namespace minimoe {
namespace {

void take_routing(RouterWindow& window, const RoutingFigures& figures) {
  const auto sum = static_cast<double>(std::accumulate(figures.load.begin(), figures.load.end(), std::int64_t{0}));
  window.load = figures.load;
  window.mean_probs = figures.mean_probs;
  window.effective_share = figures.effective_share;
  window.gate_mass_share = figures.gate_share;
  window.largest_share = static_cast<double>(*std::max_element(figures.load.begin(), figures.load.end())) / sum;
  window.largest_gate_mass = *std::max_element(figures.mean_probs.begin(), figures.mean_probs.end());
  window.max_violation = figures.counts.max_violation;
  window.num_cold = figures.cold.size();
  window.num_dead = figures.dead.size();
  window.drop_rate = figures.drop_rate.value_or(0);
}

RouterWindow window_of(const RunLines& lines, std::size_t begin, std::size_t end, std::size_t top_k) {
  RouterWindow window;
  window.first_step = lines.steps[begin];
  window.last_step = lines.steps[end - 1];
  const auto num_steps = static_cast<double>(end - begin);
  for (std::size_t i = begin; i < end; ++i) {
    window.loss += lines.loss[i] / num_steps;
    window.aux_loss += lines.aux_loss[i] / num_steps;
  }
  std::optional<RoutingFigures> worst;
  for (const std::vector<RouterLogEntry>& layer : lines.layers) {
    RoutingFigures figures = routing_figures({layer.data() + begin, end - begin}, top_k);
    if (!worst || figures.effective_share < worst->effective_share) worst = std::move(figures);
  }
  if (worst) take_routing(window, *worst);
  return window;
}

}  // namespace

std::vector<RouterWindow> router_windows(const RunLines& lines, std::size_t size, std::size_t top_k) {
  const std::size_t count = lines.steps.size();
  std::vector<RouterWindow> windows;
  for (std::size_t begin = 0; begin < count;) {
    const std::size_t left = count - begin;
    const std::size_t end = left < size || left - size < size ? count : begin + size;
    windows.push_back(window_of(lines, begin, end, top_k));
    begin = end;
  }
  return windows;
}

void write_router_window(JsonWriter& list, const RouterWindow& w) {
  const auto finite_or_null = [](double value) { return std::isfinite(value) ? json_of(value) : "null"; };
  list.begin('{').member("first_step", w.first_step).member("last_step", w.last_step);
  list.raw_member("loss", finite_or_null(w.loss));
  if (!w.load.empty()) {
    list.raw_member("aux_loss", finite_or_null(w.aux_loss)).member("load", w.load).member("mean_probs", w.mean_probs);
    list.member("effective_share", w.effective_share).member("gate_mass_share", w.gate_mass_share);
    list.member("largest_share", w.largest_share).member("largest_gate_mass", w.largest_gate_mass);
    list.member("max_violation", w.max_violation).member("num_cold", w.num_cold).member("num_dead", w.num_dead);
    list.member("drop_rate", w.drop_rate);
  }
  list.end('}');
}

}  // namespace minimoe
