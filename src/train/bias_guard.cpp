// SPDX-License-Identifier: Apache-2.0
#include "train/bias_guard.hpp"

#include <algorithm>
#include <charconv>
#include <numeric>

#include "minimoe/core/error.hpp"
#include "minimoe/moe/load_statistics.hpp"

namespace minimoe {
namespace {

std::string rounded(double value, int decimals) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, decimals).ptr};
}

}  // namespace

BiasGuard::BiasGuard(const ModelConfig& config)
    : watching_(config.moe.bias_guard && config.moe.bias_balancing && config.moe.top_k < config.moe.num_experts),
      top_k_(config.moe.top_k) {
  if (!watching_) return;
  blocks_ = config.moe_layers;
  prob_sums_.assign(blocks_.size(), std::vector<double>(config.moe.num_experts));
}

void BiasGuard::observe(std::int64_t step, const std::vector<RoutingStats>& routing) {
  if (!watching_) return;
  if (step <= kSteps && step > observed_) {  // a step that was broken off comes again
    for (std::size_t layer = 0; layer < prob_sums_.size(); ++layer) {
      for (std::size_t e = 0; e < prob_sums_[layer].size(); ++e) prob_sums_[layer][e] += routing[layer].prob_sum[e];
    }
    observed_ = step;
  }
  if (step < kSteps) return;
  if (step == kSteps) warning_ = judge();
  watching_ = false;
}

std::string BiasGuard::judge() const {
  std::string found;
  for (std::size_t layer = 0; layer < prob_sums_.size(); ++layer) {
    const std::vector<double>& sums = prob_sums_[layer];
    const double total = std::accumulate(sums.begin(), sums.end(), 0.0);
    if (!(total > 0)) continue;
    const auto num_experts = static_cast<double>(sums.size()), top_k = static_cast<double>(top_k_);
    const double effective = effective_count(sums);
    if ((effective - top_k) / (num_experts - top_k) >= kLeastSpread) continue;
    const auto largest = std::max_element(sums.begin(), sums.end());
    found += concat(found.empty() ? "" : "; ", "block ", blocks_[layer],
                    ": bias balancing began on a saturated router: over steps 1 to ", kSteps, " expert ",
                    largest - sums.begin(), " had ", rounded(100 * *largest / total, 0),
                    " % of the gate probability, which is spread over ", rounded(effective, 2), " of ", sums.size(),
                    " experts");
  }
  if (found.empty()) return found;
  return found +
         ". Counts can become even while the moved tokens weigh almost nothing (sham balance): look at gate mass, "
         "start "
         "the router evenly or with moe.aux_loss_coef and without moe.bias_balancing (moe.bias_guard = false silences "
         "this)";
}

}  // namespace minimoe
