// SPDX-License-Identifier: Apache-2.0
// A broken run beside its twins: what each signal said, and from when on.
#pragma once

#include "analysis/lab_run.hpp"

namespace minimoe {

/// The runs of one seed; all with the same start values and batches, `fixed` but for starting from the broken weights.
struct BreakRuns {
  std::uint64_t seed = 0;
  LabRun healthy, broken, dense, fixed;
};

/// A signal and when it first spoke; most of them never do.
struct BreakSignal {
  const char* name;
  const char* rule;
  std::optional<std::int64_t> first_step;  ///< last step of the first window in which the rule held
  std::string last;                        ///< what it reads at the end, broken and healthy
};

/// Of the windows of the broken run, against those of the healthy one where a rule compares.
std::vector<BreakSignal> break_signals(const BreakRuns& runs);

/// Last step of the window from which on every verdict of the run is "healthy".
std::optional<std::int64_t> healthy_from(const LabRun& run);

/// The same by figures alone, from the first step on: counts and gate mass even, no expert cold, nothing dropped.
std::optional<std::int64_t> even_from(const LabRun& run);

/// Norm of the first router's gradient of the main loss in the last sample of a run; none without a sample.
std::optional<double> last_main_gradient(const LabRun& run);

/// Validation beyond this is worse than the dense twin's.
inline constexpr double kWorseThanDense = 0.01;
/// A main loss of up to so many times the healthy twin's looks fine.
inline constexpr double kFineLossFactor = 1.02;

}  // namespace minimoe
