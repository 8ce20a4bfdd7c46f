// SPDX-License-Identifier: Apache-2.0
// A finished or stopped run, opened again by `eval` and `sample`.
#pragma once

#include "json_text.hpp"
#include "library.hpp"

namespace cli {

struct OpenedRun {
  std::string checkpoint;
  Json config;
  capi::Dataset dataset;
  capi::Model model;
};

/// @param run     a run directory or a checkpoint file
/// @param corpus  read this instead of what the run was trained on; empty: that
/// @throws BadInput, Failure.
OpenedRun open_run(const std::string& run, const std::string& corpus, const capi::Options& options);

}  // namespace cli
