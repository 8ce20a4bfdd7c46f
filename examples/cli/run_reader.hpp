// SPDX-License-Identifier: Apache-2.0
// A finished or stopped run, opened again by `eval`, `sample` and `train --resume`.
#pragma once

#include "json_text.hpp"
#include "library.hpp"

namespace cli {

/// The data of a run's configuration. @param is_of_the_run whether nobody said where it is now: then a file that is not
/// there is refused with the remedy. A relative path is from where the program is started.
capi::Dataset open_data(const Json& config, bool is_of_the_run);

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
