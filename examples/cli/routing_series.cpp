// SPDX-License-Identifier: Apache-2.0
#include "routing_series.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "exit_codes.hpp"

namespace cli {

namespace {

constexpr std::size_t kMostExperts = 4096;

[[noreturn]] void refuse(std::size_t line, const std::string& what) {
  throw BadInput("metrics line " + std::to_string(line + 1) + ": " + what);
}

const Json& member(const Json& object, const char* key, std::size_t line) {
  if (!object.is_object() || !object.contains(key)) refuse(line, "no \"" + std::string(key) + "\"");
  return object.at(key);
}

std::vector<double> numbers(const Json& array, const std::string& name, std::size_t line) {
  if (!array.is_array() || array.empty() || array.size() > kMostExperts) {
    refuse(line, name + " is no list of 1.." + std::to_string(kMostExperts) + " numbers");
  }
  std::vector<double> values;
  for (const Json& value : array) {
    const double number = value.is_number() ? value.get<double>() : NAN;
    if (!std::isfinite(number) || number < 0) {
      refuse(line, name + " holds " + json_text(value) + ", allowed are finite numbers from 0 on");
    }
    values.push_back(number);
  }
  return values;
}

double sum(const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0); }

void take(RoutingSeries& series, const Json& layer, const Json& whole, std::size_t line) {
  std::vector<double> load = numbers(member(layer, "load", line), "load", line);
  std::vector<double> probs = numbers(member(layer, "mean_probs", line), "mean_probs", line);
  if (series.load.empty()) series.num_experts = load.size();
  if (load.size() != series.num_experts || probs.size() != series.num_experts) {
    refuse(line, "block " + std::to_string(series.block) + " has " + std::to_string(load.size()) + " loads and " +
                     std::to_string(probs.size()) + " mean_probs, expected " + std::to_string(series.num_experts) +
                     " of each");
  }
  if (whole.contains("tokens") && whole.at("tokens").is_number() && whole.at("tokens").get<double>() > 0) {
    series.top_k = sum(load) / whole.at("tokens").get<double>();
  }
  const bool drops = layer.contains("dropped") && layer.at("dropped").is_array();
  series.dropped.push_back(drops ? sum(numbers(layer.at("dropped"), "dropped", line)) : 0);
  series.load.push_back(std::move(load));
  series.probs.push_back(std::move(probs));
}

void normalise(std::vector<double>& values) {
  const double total = sum(values);
  for (double& value : values) value = total > 0 ? value / total : 0;
}

// exp(entropy) / E of counts or probabilities; 0 when all are 0.
double effective_share(const std::vector<double>& weights) {
  const double total = sum(weights);
  if (total <= 0) return 0;
  double entropy = 0;
  for (const double weight : weights) {
    if (weight > 0) entropy -= weight / total * std::log(weight / total);
  }
  return std::exp(entropy) / static_cast<double>(weights.size());
}

}  // namespace

double max_violation(const std::vector<double>& load) {
  const double total = sum(load);
  if (total <= 0) return 0;
  return *std::max_element(load.begin(), load.end()) * static_cast<double>(load.size()) / total - 1;
}

std::vector<RoutingSeries> read_routing_series(const std::vector<Json>& lines) {
  std::vector<RoutingSeries> series;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const Json& step = member(lines[i], "step", i);
    if (!step.is_number()) refuse(i, "step is " + json_text(step) + ", not a number");
    if (!lines[i].contains("layers")) {
      if (series.empty()) continue;
      refuse(i, "no \"layers\", but earlier lines have them");
    }
    const Json& layers = lines[i].at("layers");
    if (!layers.is_array()) refuse(i, "layers is no list");
    if (series.empty()) series.resize(layers.size());
    if (layers.size() != series.size()) {
      refuse(i, std::to_string(layers.size()) + " layers, but earlier lines have " + std::to_string(series.size()));
    }
    for (std::size_t l = 0; l < layers.size(); ++l) {
      const Json& block = member(layers[l], "block", i);
      if (!block.is_number_integer() || block.get<std::int64_t>() < 0) {
        refuse(i, "block is " + json_text(block) + ", not a count");
      }
      if (series[l].steps.empty()) series[l].block = block.get<std::size_t>();
      if (block.get<std::size_t>() != series[l].block) refuse(i, "its layers are in another order than before");
      if (!series[l].steps.empty() && step.get<double>() <= series[l].steps.back()) refuse(i, "steps must rise");
      take(series[l], layers[l], lines[i], i);
      series[l].steps.push_back(step);
    }
  }
  return series;
}

RoutingWindow routing_window(const RoutingSeries& series, std::size_t end, std::size_t window) {
  const std::size_t num_experts = series.num_experts, begin = end > window ? end - window : 0;
  RoutingWindow result;
  result.step = series.steps[end - 1];
  result.share.assign(num_experts, 0);
  result.mass.assign(num_experts, 0);
  result.low.assign(num_experts, 1);
  result.high.assign(num_experts, 0);
  double assignments = 0, dropped = 0;
  for (std::size_t i = begin; i < end; ++i) {
    const double total = sum(series.load[i]);
    for (std::size_t e = 0; e < num_experts; ++e) {
      const double share = total > 0 ? series.load[i][e] / total : 0;
      result.share[e] += series.load[i][e];
      result.mass[e] += series.probs[i][e] * total;  // a mean over tokens, so lines weigh by theirs
      result.low[e] = std::min(result.low[e], share);
      result.high[e] = std::max(result.high[e], share);
    }
    const double violation = max_violation(series.load[i]);
    result.batch_violation += violation / static_cast<double>(end - begin);
    result.batch_violation_high = std::max(result.batch_violation_high, violation);
    assignments += total;
    dropped += series.dropped[i];
  }
  result.violation = max_violation(result.share);
  result.drop_rate = assignments > 0 ? dropped / assignments : 0;
  normalise(result.share);
  normalise(result.mass);
  result.effective_share = effective_share(result.share);
  result.mass_effective_share = effective_share(result.mass);
  return result;
}

std::vector<RoutingWindow> routing_windows(const RoutingSeries& series, std::size_t window, std::size_t max_points) {
  const std::size_t count = series.steps.size(), points = std::min(count, max_points);
  std::vector<RoutingWindow> windows;
  for (std::size_t i = 1; i <= points; ++i) windows.push_back(routing_window(series, i * count / points, window));
  return windows;
}

}  // namespace cli
