// SPDX-License-Identifier: Apache-2.0
// The models that an MoE model is compared with.
#pragma once

#include <string>
#include <vector>

#include "minimoe/train/run_config.hpp"

namespace minimoe {

struct ComparisonVariant {
  std::string key;    ///< in manifest.json: "moe_variant"
  std::string title;  ///< fit for a directory name: "moe"
  RunConfig config;
};

/// The dense model of the same d_ff ("dense_baseline"), `config` itself ("moe_variant"), and dense models whose d_ff
/// brings their parameters nearest to its active ("dense_active_matched") and its total ones ("dense_total_matched").
/// @param config model.vocab_size is known @throws Error(kInvalidArgument), its message beginning with `where`, when it
/// has no MoE layer.
std::vector<ComparisonVariant> comparison_variants(const RunConfig& config,
                                                   const std::string& where = "comparison_variants");

}  // namespace minimoe
