// SPDX-License-Identifier: Apache-2.0
#include "minimoe/moe/balance_loss.hpp"

#include <numeric>

namespace minimoe {

double switch_aux_loss(View<const double, 1> prob_sum, View<const std::int64_t, 1> load, std::int64_t num_tokens,
                       std::size_t top_k) {
  const std::size_t num_experts = load.size();
  if (prob_sum.size() != num_experts) {
    throw Error(ErrorCode::kInvalidArgument, concat("switch_aux_loss: prob_sum is ", shape_string(prob_sum.shape()),
                                                    ", load is ", shape_string(load.shape()), ", expected the same"));
  }
  const std::int64_t expected = num_tokens * static_cast<std::int64_t>(top_k);
  const std::int64_t total = std::accumulate(load.data(), load.data() + num_experts, std::int64_t{0});
  if (num_tokens <= 0 || top_k == 0 || total != expected) {
    throw Error(ErrorCode::kInvalidArgument,
                concat("switch_aux_loss: load sums to ", total, ", expected num_tokens * top_k = ", num_tokens, " * ",
                       top_k, ", with both at least 1"));
  }
  double sum = 0;
  for (std::size_t e = 0; e < num_experts; ++e) sum += static_cast<double>(load(e)) * prob_sum(e);
  return static_cast<double>(num_experts) * sum / (static_cast<double>(expected) * static_cast<double>(num_tokens));
}

}  // namespace minimoe
