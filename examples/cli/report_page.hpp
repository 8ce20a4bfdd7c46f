// SPDX-License-Identifier: Apache-2.0
// report.html: everything about a run or a comparison in one file that opens from disk and loads nothing.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "json_text.hpp"

namespace cli {

struct ReportParts {
  std::string title, command;                                     ///< the command that makes the same again
  std::string table_text;                                         ///< columns with two or more blanks between them
  Json manifest;                                                  ///< of a comparison; result.json of a run
  Json health, specialisation;                                    ///< or null
  std::vector<std::pair<std::string, std::vector<Json>>> curves;  ///< title and metrics lines of each variant
  std::string findings_markdown;
  std::vector<std::string> notes;  ///< what is missing from the page, and why
};

/// Writes `out`/report.html. The pictures are those that stand in `out`: routing-analysis.svg, expert-by-class.svg.
/// @throws BadInput.
void write_report(const std::filesystem::path& out, const ReportParts& parts);

}  // namespace cli
