// SPDX-License-Identifier: Apache-2.0
// The parts of report.html, each HTML of its own; empty when there is nothing to say.
#pragma once

#include <filesystem>
#include <string>

#include "report_page.hpp"

namespace cli {

std::string verdict_section(const ReportParts& parts);
std::string curves_section(const ReportParts& parts);
std::string routing_section(const ReportParts& parts, const std::filesystem::path& out);
std::string specialisation_section(const ReportParts& parts, const std::filesystem::path& out);
std::string manifest_section(const ReportParts& parts);

/// NAME.svg of `out` as a figure of the page, or a line that says how to have it drawn.
std::string picture_figure(const std::filesystem::path& out, const std::string& name, const std::string& alternative);

}  // namespace cli
