// SPDX-License-Identifier: Apache-2.0
#include "router_windows.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace cli {

namespace {

constexpr double kColdShareOfMean = 0.1;

template <class Number>
double effective_share(const std::vector<Number>& masses) {
  const auto total = static_cast<double>(std::accumulate(masses.begin(), masses.end(), Number{0}));
  if (!(total > 0)) return 0;
  double entropy = 0;
  for (const Number mass : masses) {
    const double share = static_cast<double>(mass) / total;
    if (share > 0) entropy -= share * std::log(share);
  }
  return std::exp(entropy) / static_cast<double>(masses.size());
}

struct LayerSums {
  std::vector<std::int64_t> load;
  std::vector<double> probs;
  std::int64_t dropped = 0;

  void add(const Json& layer) {
    load.resize(layer.at("load").size());
    probs.resize(load.size());
    for (std::size_t e = 0; e < load.size(); ++e) {
      load[e] += layer.at("load").at(e).get<std::int64_t>();
      probs[e] += layer.at("mean_probs").at(e).get<double>();
      dropped += layer.at("dropped").at(e).get<std::int64_t>();
    }
  }
};

void take_routing(RouterWindow& window, const LayerSums& sums, double num_steps) {
  window.load = sums.load;
  window.mean_probs = sums.probs;
  for (double& prob : window.mean_probs) prob /= num_steps;
  const auto total = static_cast<double>(std::accumulate(sums.load.begin(), sums.load.end(), std::int64_t{0}));
  const double mean = total / static_cast<double>(sums.load.size());
  const auto largest = static_cast<double>(*std::max_element(sums.load.begin(), sums.load.end()));
  window.effective_share = effective_share(sums.load);
  window.gate_mass_share = effective_share(sums.probs);
  window.largest_share = total > 0 ? largest / total : 0;
  window.largest_gate_mass = *std::max_element(window.mean_probs.begin(), window.mean_probs.end());
  window.max_violation = mean > 0 ? largest / mean - 1 : 0;
  for (const std::int64_t count : sums.load) {
    window.num_dead += count == 0;
    window.num_cold += static_cast<double>(count) < kColdShareOfMean * mean;
  }
  window.drop_rate = total > 0 ? static_cast<double>(sums.dropped) / total : 0;
}

// A loss that is not finite is null in a line.
double number_of(const Json& value) { return value.is_number() ? value.get<double>() : NAN; }

RouterWindow window_of(const std::vector<Json>& lines, std::size_t begin, std::size_t end) {
  RouterWindow window;
  window.first_step = lines[begin].at("step");
  window.last_step = lines[end - 1].at("step");
  const auto num_steps = static_cast<double>(end - begin);
  std::vector<LayerSums> layers(lines[begin].at("layers").size());
  for (std::size_t i = begin; i < end; ++i) {
    const double loss = number_of(lines[i].at("loss"));
    window.loss += loss / num_steps;
    window.aux_loss += number_of(lines[i].at("aux_loss")) / num_steps;
    window.largest_loss = std::max(window.largest_loss, loss);
    for (std::size_t layer = 0; layer < layers.size(); ++layer) layers[layer].add(lines[i].at("layers").at(layer));
  }
  if (layers.empty()) return window;
  const auto worst = std::min_element(layers.begin(), layers.end(), [](const LayerSums& a, const LayerSums& b) {
    return effective_share(a.load) < effective_share(b.load);
  });
  take_routing(window, *worst, num_steps);
  return window;
}

}  // namespace

std::vector<RouterWindow> router_windows(const std::vector<Json>& lines, std::int64_t size) {
  std::vector<RouterWindow> windows;
  const auto step = static_cast<std::size_t>(size);
  for (std::size_t begin = 0; begin < lines.size();) {
    const std::size_t end = lines.size() - begin < 2 * step ? lines.size() : begin + step;
    windows.push_back(window_of(lines, begin, end));
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
