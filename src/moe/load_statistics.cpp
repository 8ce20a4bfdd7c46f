// SPDX-License-Identifier: Apache-2.0
#include "minimoe/moe/load_statistics.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "minimoe/core/error.hpp"

namespace minimoe {

LoadStatistics load_statistics(const std::vector<std::int64_t>& load, std::size_t top_k) {
  require(!load.empty(), "load_statistics: load is empty");
  require(top_k >= 1 && top_k <= load.size(), "load_statistics: top_k is ", top_k, ", allowed 1..", load.size());
  for (std::size_t e = 0; e < load.size(); ++e) {
    require(load[e] >= 0, "load_statistics: load[", e, "] is ", load[e], ", allowed 0 or more");
  }
  const double num_experts = static_cast<double>(load.size());
  const double total = static_cast<double>(std::accumulate(load.begin(), load.end(), std::int64_t{0}));
  require(total > 0, "load_statistics: load has no assignment");
  const double mean = total / num_experts;

  LoadStatistics s;
  double square_sum = 0;
  std::vector<double> masses;
  for (const std::int64_t count : load) {
    const double c = static_cast<double>(count);
    masses.push_back(c);
    s.utilisation.push_back(c / mean);
    square_sum += (c - mean) * (c - mean);
    s.num_dead += count == 0;
    s.num_cold += c < 0.1 * mean;
    s.num_hot += c > 1.25 * mean;
  }
  const double largest = *std::max_element(masses.begin(), masses.end());
  s.max_violation = max_violation(load);
  const double even = 1 / num_experts, most = 1 / static_cast<double>(top_k);
  s.max_share = top_k < load.size() ? (largest / total - even) / (most - even) : 0;
  s.share_stddev = std::sqrt(square_sum / num_experts) / total;
  s.effective_experts = effective_count(masses);
  s.load_entropy = load.size() > 1 ? std::log(s.effective_experts) / std::log(num_experts) : 1;
  return s;
}

double max_violation(const std::vector<std::int64_t>& load) {
  std::int64_t sum = 0, largest = 0;
  for (const std::int64_t count : load) {
    sum += count;
    largest = std::max(largest, count);
  }
  if (sum == 0) return 0;
  return static_cast<double>(largest) * static_cast<double>(load.size()) / static_cast<double>(sum) - 1;
}

double effective_count(const std::vector<double>& masses) {
  require(!masses.empty(), "effective_count: no masses");
  double total = 0;
  for (const double mass : masses) {
    require(std::isfinite(mass) && mass >= 0, "effective_count: a mass is ", mass, ", allowed finite and >= 0");
    total += mass;
  }
  require(total > 0, "effective_count: all masses are 0");
  double entropy = 0;
  for (const double mass : masses) {
    if (mass > 0) entropy -= mass / total * std::log(mass / total);
  }
  return std::exp(entropy);
}

}  // namespace minimoe
