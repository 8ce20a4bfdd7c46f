// SPDX-License-Identifier: Apache-2.0
#include "minimoe/analysis/paired_statistics.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "minimoe/core/error.hpp"

namespace minimoe {
namespace {

// P(|T| <= t) for t = sqrt(n) tan(angle): a finite sum for whole degrees of freedom n.
// Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4.
double central_probability(double angle, std::size_t n) {
  const double square = std::cos(angle) * std::cos(angle);
  double sum = 0, term = n % 2 == 1 ? std::cos(angle) : 1;
  for (std::size_t power = n % 2; power + 2 <= n; power += 2) {
    sum += term;
    term *= square * static_cast<double>(power + 1) / static_cast<double>(power + 2);
  }
  const double product = std::sin(angle) * sum;
  return n % 2 == 1 ? 2 / std::numbers::pi * (angle + product) : product;
}

}  // namespace

double student_t_limit(double confidence, std::size_t degrees_of_freedom) {
  require(confidence > 0 && confidence < 1, "student_t_limit: confidence is ", confidence,
          ", allowed above 0 and below 1");
  require(degrees_of_freedom >= 1, "student_t_limit: degrees_of_freedom is 0, allowed 1 or more");
  double low = 0, high = std::numbers::pi / 2;
  for (;;) {
    const double middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) break;  // neighbours
    (central_probability(middle, degrees_of_freedom) < confidence ? low : high) = middle;
  }
  return std::sqrt(static_cast<double>(degrees_of_freedom)) * std::tan(low);
}

Spread spread_of(std::vector<double> values) {
  require(!values.empty(), "spread_of: no values");
  const auto n = static_cast<double>(values.size());
  Spread s;
  for (std::size_t i = 0; i < values.size(); ++i) {
    require(std::isfinite(values[i]), "spread_of: value ", i, " is ", values[i], ", expected a finite number");
    s.mean += values[i];
  }
  s.mean /= n;
  if (values.size() > 1) {
    double squares = 0;
    for (const double v : values) squares += (v - s.mean) * (v - s.mean);
    s.std = std::sqrt(squares / (n - 1));
    require(std::isfinite(s.std), "spread_of: the values are too large to have a standard deviation");
    const double half = student_t_limit(kConfidence, values.size() - 1) * s.std / std::sqrt(n);
    s.low = s.mean - half;
    s.high = s.mean + half;
  }
  s.min = *std::min_element(values.begin(), values.end());
  s.max = *std::max_element(values.begin(), values.end());
  s.values = std::move(values);
  return s;
}

Spread paired_difference(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) {
    throw Error(ErrorCode::kShape, concat("paired_difference: ", a.size(), " values and ", b.size(),
                                          ", expected one of each for every seed"));
  }
  std::vector<double> differences;
  for (std::size_t i = 0; i < a.size(); ++i) differences.push_back(a[i] - b[i]);
  return spread_of(std::move(differences));
}

}  // namespace minimoe
