// SPDX-License-Identifier: Apache-2.0
// What a few seeds say about a figure, or about the difference of two runs that share each seed.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace minimoe {

/// The t with P(|T| <= t) = confidence for Student's T: 12.706 for 0.95 and 1 degree of freedom, 1.96 for many.
/// @param confidence above 0, below 1. @param degrees_of_freedom 1 or more. @throws Error(kInvalidArgument).
double student_t_limit(double confidence, std::size_t degrees_of_freedom);

inline constexpr double kConfidence = 0.95;

struct Spread {
  double mean = 0;
  double std = 0;  ///< of the sample (n - 1); 0 for one value
  double min = 0, max = 0;
  std::optional<double> low, high;  ///< mean -+ t * std / sqrt(n), 95 %; none for one value
  std::vector<double> values;
};

/// @throws Error(kInvalidArgument) when `values` is empty or holds what is not finite.
Spread spread_of(std::vector<double> values);

/// The spread of a[i] - b[i]: what both runs of a seed share (start values, batches) cancels.
/// @throws Error(kInvalidArgument), Error(kShape) when the lengths differ.
Spread paired_difference(const std::vector<double>& a, const std::vector<double>& b);

}  // namespace minimoe
