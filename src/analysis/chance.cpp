// SPDX-License-Identifier: Apache-2.0
#include "analysis/chance.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace minimoe {
namespace {

double x_log_ratio(double x, double y) { return x > 0 ? x * std::log(x / y) : 0; }
// KL of a coin with probability x from one with probability y.
double divergence(double x, double y) { return x_log_ratio(x, y) + x_log_ratio(1 - x, 1 - y); }

}  // namespace

double chance_of_load(const std::vector<std::int64_t>& load, std::size_t top_k) {
  const double num_experts = static_cast<double>(load.size());
  if (top_k >= load.size()) return 1;
  const double fair = static_cast<double>(top_k) / num_experts;
  const double tokens =
      static_cast<double>(std::accumulate(load.begin(), load.end(), std::int64_t{0})) / static_cast<double>(top_k);
  double farthest = 0;
  for (const std::int64_t count : load) {
    const double share = std::min(1.0, static_cast<double>(count) / tokens);
    farthest = std::max(farthest, divergence(share, fair));
  }
  return std::min(1.0, num_experts * std::exp(-tokens * farthest));
}

double chance_of_missing_expert(std::size_t num_experts, std::size_t top_k, double num_tokens) {
  if (top_k >= num_experts) return 0;
  const double experts = static_cast<double>(num_experts);
  return std::min(1.0, experts * std::exp(num_tokens * static_cast<double>(top_k) * std::log1p(-1 / experts)));
}

double chance_violation(std::size_t num_experts, std::size_t top_k, double num_tokens) {
  if (top_k >= num_experts || num_tokens <= 0) return 0;
  const double experts = static_cast<double>(num_experts);
  const double fair = static_cast<double>(top_k) / experts;
  // The share of tokens that the fullest expert has in every second batch at most, by the bound of chance_of_load.
  const double evidence = std::log(2 * experts) / num_tokens;
  double low = fair, high = 1;
  if (divergence(high, fair) <= evidence) return 1 / fair - 1;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (divergence(middle, fair) <= evidence ? low : high) = middle;
  }
  return high / fair - 1;
}

}  // namespace minimoe
