// SPDX-License-Identifier: Apache-2.0
// A finished run of the router laboratory: its metrics and its health report, read strictly, and the windows of its
// signals.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/json_cursor.hpp"
#include "analysis/router_windows.hpp"

namespace minimoe {

/// A window of a health report.
struct JudgedWindow {
  std::int64_t last_step = 0;
  std::string verdict;
};

/// Norms of the gradients of a step with respect to each router.
struct GradientSample {
  std::int64_t step = 0;
  std::vector<double> main_norms;  ///< [MoE layer] of the main loss
  std::string layers;              ///< JSON, as minimoe_trainer_interference gives it
};

struct ValidationLoss {
  std::int64_t step = 0;
  std::string loss;  ///< JSON; null when it was not finite
};

struct LabRun {
  std::uint64_t num_steps = 0, top_k = 0;  ///< of its configuration
  double val_loss = 0;                     ///< at the end
  std::optional<std::string> verdict;      ///< of the health report, "healthy"; none without one
  std::vector<JudgedWindow> judged;        ///< of the layer that decided it
  std::string judged_json = "[]";          ///< the same, whole
  std::vector<RouterWindow> windows;       ///< one or more
  std::vector<GradientSample> samples;
  std::vector<ValidationLoss> val_losses;

  bool has_routers() const { return !windows.front().load.empty(); }
};

/// {"config", "lines", "health", "val_loss"}; further keys are the caller's to refuse. @throws Error(kInvalidArgument)
/// with the path of what is missing or of another kind, and for lines that no finished run can have.
LabRun read_lab_run(const JsonCursor& run, std::size_t window);
/// The keys of `run` that read_lab_run reads.
std::vector<std::string> lab_run_keys();
/// 1..2^40.
std::size_t read_window_size(const JsonCursor& size);

/// {"val_loss", "verdict", "verdict_windows", "windows", "interference", "val_losses"}
std::string lab_run_json(const LabRun& run);

}  // namespace minimoe
