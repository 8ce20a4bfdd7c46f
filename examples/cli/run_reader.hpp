// SPDX-License-Identifier: Apache-2.0
// A finished or stopped run, opened again by `eval` and `sample`.
#pragma once

#include "core_bridge.hpp"
#include "json_text.hpp"

namespace cli {

struct OpenedRun {
  std::string checkpoint;
  Json config;
  core::Dataset dataset;
  core::Model model;
};

/// @param run     a run directory or a checkpoint file
/// @param corpus  read this instead of what the run was trained on; empty: that
/// @throws BadInput, Failure.
OpenedRun open_run(const std::string& run, const std::string& corpus, const std::string& exec);

}  // namespace cli
