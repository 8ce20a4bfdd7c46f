// SPDX-License-Identifier: Apache-2.0
// A broken run beside its twins: what each signal said, and from when on.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "lab_run.hpp"

namespace cli {

/// The runs of one seed; all with the same start values and batches, `fixed` but for starting from the broken weights.
struct BreakRuns {
  std::uint64_t seed = 0;
  std::shared_ptr<const LabRun> healthy, broken, dense, fixed;
};

/// A signal and when it first spoke; most of them never do.
struct BreakSignal {
  const char* name;
  std::string rule;
  std::optional<std::int64_t> first_step;  ///< last step of the first window in which the rule held
  std::string last;                        ///< what it reads at the end, broken and healthy
};

/// Of the windows of the broken run, against those of the healthy one where a rule compares.
std::vector<BreakSignal> break_signals(const BreakRuns& runs);

/// Window by window, as a table for a terminal.
std::string signal_table(const BreakRuns& runs);

/// Last step of the window from which on every verdict of the run is "healthy".
std::optional<std::int64_t> healthy_from(const LabRun& run);

/// The same by figures alone, from the first step on: counts and gate mass even, no expert cold, nothing dropped.
std::optional<std::int64_t> even_from(const LabRun& run);

/// Norm of the router's gradient of the main loss in the last sample of a run; none without a sample.
std::optional<double> last_main_gradient(const LabRun& run);

/// "0.123", or "-" for none.
std::string number_text(const std::optional<double>& value, int decimals);

}  // namespace cli
