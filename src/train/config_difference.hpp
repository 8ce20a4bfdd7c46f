// SPDX-License-Identifier: Apache-2.0
// How two configurations differ.
#pragma once

#include "minimoe/train/run_config.hpp"

namespace minimoe {

struct KeyDifference {
  std::string key;          ///< dotted
  std::string left, right;  ///< as JSON
};

/// The keys that hold different values, in the order of run_config_keys.
std::vector<KeyDifference> compare_configs(const RunConfig& left, const RunConfig& right);

}  // namespace minimoe
