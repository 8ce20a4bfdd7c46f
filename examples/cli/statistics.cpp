// SPDX-License-Identifier: Apache-2.0
#include "statistics.hpp"

#include <algorithm>
#include <cmath>

namespace cli {

namespace {

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

double square_deviations(const std::vector<double>& values, double mean) {
  double sum = 0;
  for (const double v : values) sum += (v - mean) * (v - mean);
  return sum;
}

}  // namespace

Spread spread_of(const std::vector<double>& values) {
  Spread s;
  s.values = values;
  if (values.empty()) return s;
  s.mean = mean_of(values);
  if (values.size() > 1) s.std = std::sqrt(square_deviations(values, s.mean) / static_cast<double>(values.size() - 1));
  s.min = *std::min_element(values.begin(), values.end());
  s.max = *std::max_element(values.begin(), values.end());
  return s;
}

Json spread_json(const Spread& s) {
  return {{"mean", s.mean}, {"std", s.std}, {"min", s.min}, {"max", s.max}, {"values", s.values}};
}

double population_std(const std::vector<double>& values) {
  if (values.empty()) return 0;
  return std::sqrt(square_deviations(values, mean_of(values)) / static_cast<double>(values.size()));
}

}  // namespace cli
