// SPDX-License-Identifier: Apache-2.0
// Central differences in double against a gradient that an op computed.
#pragma once

#include <cmath>
#include <vector>

#include "support/test_tensors.hpp"

namespace minimoe::test {

struct GradientAgreement {
  double relative_error;  ///< ||g - n|| / (||g|| + ||n||)
  double cosine;
};

/// Compares `gradient` with the central differences of loss() with respect to `parameter`, which is changed and
/// restored.
template <class Parameter, class Gradient, class Loss>
GradientAgreement check_gradient(Parameter& parameter, const Gradient& gradient, Loss loss, double step = 1e-5) {
  std::vector<double> numeric(parameter.size());
  for (std::size_t i = 0; i < parameter.size(); ++i) {
    double& x = parameter.data()[i];
    const double start = x;
    x = start + step;
    const double above = loss();
    x = start - step;
    const double below = loss();
    x = start;
    numeric[i] = (above - below) / (2 * step);
  }
  const std::vector<double> analytic = values(gradient);
  double dot = 0, norm_a = 0, norm_n = 0;
  for (std::size_t i = 0; i < numeric.size(); ++i) {
    dot += analytic[i] * numeric[i];
    norm_a += analytic[i] * analytic[i];
    norm_n += numeric[i] * numeric[i];
  }
  return {relative_error(analytic, numeric), dot / std::sqrt(norm_a * norm_n)};
}

/// The loss whose gradient at `y` is `d_y`.
template <class A, class B>
double weighted_sum(const A& y, const B& d_y) {
  double sum = 0;
  for (std::size_t i = 0; i < y.size(); ++i)
    sum += static_cast<double>(y.data()[i]) * static_cast<double>(d_y.data()[i]);
  return sum;
}

}  // namespace minimoe::test

/// Needs support/catch.hpp. A gradient of zeros agrees with nothing: its cosine is NaN.
#define CHECK_GRADIENT(parameter, gradient, loss)                                      \
  do {                                                                                 \
    const auto agreement = minimoe::test::check_gradient(parameter, gradient, (loss)); \
    INFO("gradient of " #parameter);                                                   \
    CHECK(agreement.relative_error < 1e-6);                                            \
    CHECK(agreement.cosine > 1 - 1e-10);                                               \
  } while (false)
