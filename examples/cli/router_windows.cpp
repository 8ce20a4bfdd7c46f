// SPDX-License-Identifier: Apache-2.0
#include "router_windows.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "routing_series.hpp"

namespace cli {

namespace {

constexpr double kColdShareOfMean = 0.1;

void take_routing(RouterWindow& window, const RoutingWindow& worst) {
  window.load = worst.load;
  window.mean_probs = worst.mass;
  window.effective_share = worst.effective_share;
  window.gate_mass_share = worst.mass_effective_share;
  window.largest_share = *std::max_element(worst.share.begin(), worst.share.end());
  window.largest_gate_mass = *std::max_element(worst.mass.begin(), worst.mass.end());
  window.max_violation = worst.violation;
  for (const double share : worst.share) {
    window.num_dead += share == 0;
    window.num_cold += share < kColdShareOfMean / static_cast<double>(worst.share.size());
  }
  window.drop_rate = worst.drop_rate;
}

// A loss that is not finite is null in a line.
double number_of(const Json& value) { return value.is_number() ? value.get<double>() : NAN; }

RouterWindow window_of(const std::vector<Json>& lines, const std::vector<RoutingSeries>& layers, std::size_t begin,
                       std::size_t end) {
  RouterWindow window;
  window.first_step = lines[begin].at("step");
  window.last_step = lines[end - 1].at("step");
  const auto num_steps = static_cast<double>(end - begin);
  for (std::size_t i = begin; i < end; ++i) {
    const double loss = number_of(lines[i].at("loss"));
    window.loss += loss / num_steps;
    window.aux_loss += number_of(lines[i].at("aux_loss")) / num_steps;
    window.largest_loss = std::max(window.largest_loss, loss);
  }
  std::optional<RoutingWindow> worst;
  for (const RoutingSeries& layer : layers) {
    RoutingWindow routing = routing_window(layer, end, end - begin);
    if (!worst || routing.effective_share < worst->effective_share) worst = std::move(routing);
  }
  if (worst) take_routing(window, *worst);
  return window;
}

}  // namespace

std::vector<RouterWindow> router_windows(const std::vector<Json>& lines, std::int64_t size) {
  const std::vector<RoutingSeries> layers = read_routing_series(lines);
  std::vector<RouterWindow> windows;
  const auto step = static_cast<std::size_t>(size);
  for (std::size_t begin = 0; begin < lines.size();) {
    const std::size_t end = lines.size() - begin < 2 * step ? lines.size() : begin + step;
    windows.push_back(window_of(lines, layers, begin, end));
    begin = end;
  }
  return windows;
}

Json router_window_json(const RouterWindow& w) {
  Json json = {{"first_step", w.first_step}, {"last_step", w.last_step}, {"loss", w.loss}};
  if (w.load.empty()) return json;
  json.update({{"aux_loss", w.aux_loss},
               {"load", w.load},
               {"mean_probs", w.mean_probs},
               {"effective_share", w.effective_share},
               {"gate_mass_share", w.gate_mass_share},
               {"largest_share", w.largest_share},
               {"largest_gate_mass", w.largest_gate_mass},
               {"max_violation", w.max_violation},
               {"num_cold", w.num_cold},
               {"num_dead", w.num_dead},
               {"drop_rate", w.drop_rate}});
  return json;
}

}  // namespace cli
