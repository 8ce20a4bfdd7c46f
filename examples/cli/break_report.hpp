// SPDX-License-Identifier: Apache-2.0
// What came of a break, over all its seeds: as text and as breaks.md.
#pragma once

#include <string>
#include <vector>

#include "json_text.hpp"

namespace cli {

/// After the logs: table and signals of the first seed, symptom, claims, recovery. @param findings as break_findings
/// gives them
std::string break_text(const Json& findings);
/// Everything, in the order of `breaks`. @param command what was typed, @param corpus name of the data
std::string breaks_markdown(const std::vector<Json>& breaks, const std::string& command, const std::string& corpus);

}  // namespace cli
