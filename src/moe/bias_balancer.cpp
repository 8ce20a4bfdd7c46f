// SPDX-License-Identifier: Apache-2.0
#include "minimoe/moe/bias_balancer.hpp"

#include <cmath>

namespace minimoe {

template <class T>
void update_expert_bias(View<T, 1> expert_bias, View<const std::int64_t, 1> load, double rate, bool centering) {
  const auto num_experts = static_cast<std::int64_t>(load.size());
  if (expert_bias.size() != load.size()) {
    throw Error(ErrorCode::kInvalidArgument,
                concat("update_expert_bias: expert_bias is ", shape_string(expert_bias.shape()), ", load is ",
                       shape_string(load.shape()), ", expected the same"));
  }
  if (!(std::isfinite(rate) && rate >= 0)) {
    throw Error(ErrorCode::kInvalidArgument,
                concat("update_expert_bias: rate is ", rate, ", expected a finite number >= 0"));
  }
  std::int64_t total = 0;
  for (std::int64_t e = 0; e < num_experts; ++e) {
    if (load(e) < 0) {
      throw Error(ErrorCode::kInvalidArgument,
                  concat("update_expert_bias: load of expert ", e, " is ", load(e), ", expected >= 0"));
    }
    total += load(e);
  }

  // sign(mean - load) without a division: the mean need not be an integer, its E-fold is one.
  const auto direction = [&](std::int64_t e) {
    const std::int64_t count = load(e) * num_experts;
    return (total > count) - (total < count);
  };
  std::int64_t direction_sum = 0;
  for (std::int64_t e = 0; e < num_experts; ++e) direction_sum += direction(e);
  const double mean =
      centering && num_experts > 0 ? static_cast<double>(direction_sum) / static_cast<double>(num_experts) : 0.0;
  for (std::int64_t e = 0; e < num_experts; ++e) {
    expert_bias(e) = static_cast<T>(static_cast<double>(expert_bias(e)) + rate * (direction(e) - mean));
  }
}

template void update_expert_bias(View<float, 1>, View<const std::int64_t, 1>, double, bool);
template void update_expert_bias(View<double, 1>, View<const std::int64_t, 1>, double, bool);

}  // namespace minimoe
