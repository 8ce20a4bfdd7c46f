// SPDX-License-Identifier: Apache-2.0
// The pictures of a run: PNG and SVG from one gnuplot script, which stays beside them with its data.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "json_text.hpp"

namespace cli {

struct Drawn {
  bool drawn = false;
  std::string message;  ///< why not; script and data are written when there was anything to draw
};

/// routing-analysis.png, .svg: for each MoE layer the histogram of its assignments beside the gate mass, the load share
/// of each expert over the steps, effective experts of counts and gate mass, MaxVio of batch and window.
/// @param metrics_lines   lines of metrics.jsonl
/// @param specialisation  of the routed split, or null: the histogram is then of the last training steps
/// @param health          verdicts for the titles, or null
/// @throws BadInput that names the line or member which is not as it should be.
Drawn draw_routing_analysis(const std::filesystem::path& out, const std::vector<Json>& metrics_lines,
                            const Json& specialisation, const Json& health);

/// expert-by-class.png, .svg: for each MoE layer which expert takes which class (or frequency bucket), and beside it
/// the normalised mutual information with its controls. @throws BadInput as above.
Drawn draw_expert_by_class(const std::filesystem::path& out, const Json& specialisation);

}  // namespace cli
