// SPDX-License-Identifier: Apache-2.0
// Curves as inline SVG that takes its colours from the page, light or dark.
#pragma once

#include <string>
#include <vector>

namespace cli {

struct ChartLine {
  std::string name;
  std::vector<double> x, y;   ///< y that is not finite leaves a gap
  bool is_reference = false;  ///< drawn thin and dotted
};

/// <figure> with the chart and its legend. Each point is the mean of as many steps as the caption says.
/// @param id  unique in the page
std::string line_chart(const std::string& id, const std::string& title, const std::string& y_label,
                       const std::vector<ChartLine>& lines);

}  // namespace cli
