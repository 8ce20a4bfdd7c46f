// SPDX-License-Identifier: Apache-2.0
// The router log of a run, rebuilt from its metrics.jsonl: what a health check reads.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "json_text.hpp"

namespace cli {

/// The lines of one line of metrics.jsonl, one an MoE layer.
std::string router_log_lines(const Json& metrics_line, std::size_t top_k);

struct RunLog {
  std::string text;                  ///< empty for a dense model
  std::string note;                  ///< of a last line that is cut off and of steps left out, or ""
  std::vector<std::size_t> origins;  ///< of each line of text: its line in metrics.jsonl, from 1

  /// A message of the library about this log, naming the line of `metrics` in place of the line of `text`.
  std::string about_metrics(const std::string& message, const std::filesystem::path& metrics) const;
};

/// Of the first and the last `max_steps` lines of metrics.jsonl. @throws BadInput.
RunLog router_log_of_run(const std::filesystem::path& metrics, std::size_t top_k, std::size_t max_steps = 19999);

/// What the run's configuration says for a health check: warm-up, coefficients, router's start, bias balancing.
Json health_options_of(const Json& config);

}  // namespace cli
