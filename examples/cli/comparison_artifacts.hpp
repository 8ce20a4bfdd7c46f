// SPDX-License-Identifier: Apache-2.0
// The files of a comparison beside its runs: what other parts of the program make of them.
#pragma once

#include <filesystem>
#include <vector>

#include "comparison.hpp"

namespace cli {

/// What experts divide by, one report a seed, from the checkpoints `moe_runs`; each is kept beside its checkpoint.
/// Empty when fewer than two windows are looked at.
/// @throws capi::Error, also when interrupted. @throws RunFailed.
std::vector<Json> measure_specialisation(const Comparison& comparison, const capi::Dataset& dataset,
                                         const capi::Options& options,
                                         const std::vector<std::filesystem::path>& moe_runs, std::uint64_t max_windows);

/// One line a step, with all that is drawn: the MoE variant's of the first seed, the loss of every run as "losses":
/// {run: nats}, and "routers": {run: {"aux_loss", "layers"}} of the other MoE runs.
/// @param runs [variant][seed] directories
std::string comparison_metrics(const std::vector<std::vector<std::filesystem::path>>& runs);

/// metrics.jsonl, specialisation.json, findings.md, then manifest.json, and the pictures and report.html of these.
/// @return notes on what could not be drawn. @throws RunFailed.
std::vector<std::string> write_artifacts(const std::filesystem::path& out, const Comparison& comparison,
                                         const Json& manifest, const std::string& metrics);

/// Removes these files, manifest.json first. @throws BadInput.
void remove_artifacts(const std::filesystem::path& out);

}  // namespace cli
