// SPDX-License-Identifier: Apache-2.0
#include "minimoe/analysis/comparison_variants.hpp"

#include "minimoe/core/error.hpp"
#include "train/config_fields.hpp"

namespace minimoe {
namespace {

RunConfig with_d_ff(RunConfig dense, std::size_t d_ff) {
  dense.model.d_ff = d_ff;
  return dense;
}

std::size_t total_parameters(const RunConfig& config) {
  return model_cost(config.model, config.train.seq_len).total_parameters;
}

// Parameters grow with d_ff, so a bisection finds the first width that reaches the target; the one below may be nearer.
RunConfig dense_of_size(const RunConfig& dense, std::size_t target) {
  std::size_t low = 1, high = config::kMaxHidden;
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if (total_parameters(with_d_ff(dense, middle)) < target) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  const auto distance = [&](std::size_t d_ff) {
    const std::size_t count = total_parameters(with_d_ff(dense, d_ff));
    return count > target ? count - target : target - count;
  };
  return with_d_ff(dense, low > 1 && distance(low - 1) <= distance(low) ? low - 1 : low);
}

}  // namespace

std::vector<ComparisonVariant> comparison_variants(const RunConfig& config, const std::string& where) {
  require(!config.model.moe_layers.empty(), where,
          ": model.moe.layers is empty, so there is no MoE model to compare; expected a block or more");
  RunConfig dense = config;
  dense.model.moe_layers.clear();
  const ModelCost cost = model_cost(config.model, config.train.seq_len);
  std::vector<ComparisonVariant> variants = {
      {"dense_baseline", "dense", dense},
      {"moe_variant", "moe", config},
      {"dense_active_matched", "dense-active", dense_of_size(dense, cost.active_parameters)},
      {"dense_total_matched", "dense-total", dense_of_size(dense, cost.total_parameters)}};
  for (const ComparisonVariant& variant : variants) require_no_problems(variant.config.problems());
  return variants;
}

}  // namespace minimoe
