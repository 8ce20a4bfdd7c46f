// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace cli {

/// Draws routing-analysis and expert-by-class and writes report.html into `directory`, a run's or a comparison's, from
/// the files that are there: metrics.jsonl, result.json, health.json, specialisation.json, manifest.json, findings.md,
/// runs/. @return what could not be drawn, and why. @throws BadInput: a file that is not as it should be.
std::vector<std::string> make_report(const std::filesystem::path& directory);

}  // namespace cli
