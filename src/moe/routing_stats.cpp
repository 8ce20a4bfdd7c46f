// SPDX-License-Identifier: Apache-2.0
#include "minimoe/moe/routing_stats.hpp"

#include <algorithm>

#include "minimoe/core/error.hpp"

namespace minimoe {
namespace {

template <class Value>
void add_each(std::vector<Value>& sums, const std::vector<Value>& more) {
  std::transform(sums.begin(), sums.end(), more.begin(), sums.begin(), [](Value a, Value b) { return a + b; });
}

}  // namespace

void RoutingStats::reset(std::size_t num_experts) {
  load.assign(num_experts, 0);
  dropped.assign(num_experts, 0);
  prob_sum.assign(num_experts, 0.0);
  gate_weight_sum.assign(num_experts, 0.0);
  num_tokens = num_dropped = 0;
  logit_square_sum = aux_loss = z_loss = z_sum = 0;
}

void RoutingStats::add(const RoutingStats& other) {
  if (load.size() != other.load.size()) {
    throw Error(ErrorCode::kInvalidArgument, concat("routing_stats.add: ", other.load.size(), " experts, expected ",
                                                    load.size(), " (call reset first)"));
  }
  add_each(load, other.load);
  add_each(dropped, other.dropped);
  add_each(prob_sum, other.prob_sum);
  add_each(gate_weight_sum, other.gate_weight_sum);
  num_tokens += other.num_tokens;
  num_dropped += other.num_dropped;
  logit_square_sum += other.logit_square_sum;
  z_sum += other.z_sum;
  aux_loss = other.aux_loss;
  z_loss = other.z_loss;
}

}  // namespace minimoe
