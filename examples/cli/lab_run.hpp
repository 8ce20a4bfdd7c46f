// SPDX-License-Identifier: Apache-2.0
// A finished run of the router laboratory: what its directory holds, as the library judges it.
#pragma once

#include <filesystem>

#include "training_run.hpp"

namespace cli {

struct LabRun {
  std::filesystem::path directory;
  Json result;
  Json record;  ///< {"config", "lines", "health", "val_loss"}: what run_findings and break_findings read
};

/// Trains as `request` says. @throws RunFailed, also when it was interrupted: then `interrupted` is set.
LabRun lab_run(RunRequest request, bool& interrupted);

/// What run_findings says of it, in windows of so many steps. @throws RunFailed.
Json findings_of(const LabRun& run, std::int64_t window);

}  // namespace cli
