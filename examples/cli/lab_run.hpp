// SPDX-License-Identifier: Apache-2.0
// A finished run of the router laboratory: what its directory holds, and the windows of its signals.
#pragma once

#include <filesystem>

#include "router_windows.hpp"
#include "training_run.hpp"

namespace cli {

struct LabRun {
  std::filesystem::path directory;
  Json result, health;      ///< health: null when the model has no MoE layer
  std::vector<Json> lines;  ///< of metrics.jsonl
  std::vector<RouterWindow> windows;

  double val_loss() const { return result.at("val_loss"); }
  /// Of the whole run: "healthy", ...; "" without MoE layers.
  std::string verdict() const;
  /// Of a window of the health report that ends at `step` or is the last before; "" when there is none.
  std::string verdict_at(std::int64_t step) const;
};

/// A part of the health report: the windows of the layer that decided its verdict.
Json deciding_windows(const Json& health);

/// Trains as `request` says. @throws RunFailed, also when it was interrupted: then `interrupted` is set.
LabRun lab_run(RunRequest request, std::int64_t window, bool& interrupted);

}  // namespace cli
