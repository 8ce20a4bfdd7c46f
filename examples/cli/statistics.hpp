// SPDX-License-Identifier: Apache-2.0
// Spread over seeds.
#pragma once

#include <vector>

#include "json_text.hpp"

namespace cli {

struct Spread {
  double mean = 0, std = 0;  ///< std: of the sample (n - 1); 0 for one value
  double min = 0, max = 0;
  std::vector<double> values;
};

Spread spread_of(const std::vector<double>& values);
Json spread_json(const Spread& spread);

}  // namespace cli
