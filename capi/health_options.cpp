// SPDX-License-Identifier: Apache-2.0
#include "health_options.hpp"

#include "arguments.hpp"
#include "json_options.hpp"

namespace minimoe::capi {

HealthOptions input_health_options(const char* function, const char* json, std::size_t json_len, HealthOptions o) {
  constexpr std::uint64_t kMostSteps = 1'000'000'000'000;
  JsonOptions in(function, "json", input_json(function, json, json_len));
  in.integer("window", o.window, 1, kMostSteps);
  in.integer("warmup", o.warmup, 0, kMostSteps);
  in.integer("settle_steps", o.settle_steps, 0, kMostSteps);
  in.real("collapsed_below", o.collapsed_below, 0, 1);
  in.real("skewed_below", o.skewed_below, 0, 1);
  in.real("always_chosen_above", o.always_chosen_above, 0, 1);
  in.real("often_chosen_above", o.often_chosen_above, 0, 1);
  in.real("overloaded_above", o.overloaded_above, 0, 4096);
  in.real("gate_collapsed_below", o.gate_collapsed_below, 0, 1);
  in.real("gate_excess_above", o.gate_excess_above, 0, 1);
  in.real("gate_gap_above", o.gate_gap_above, 0, 1);
  in.real("drop_rate_above", o.drop_rate_above, 0, 1);
  in.real("cold_below", o.cold_below, 0, 1);
  in.real("hot_above", o.hot_above, 1, 4096);
  in.real("chance_above", o.chance_above, 0, 1);
  in.real("early_share_above", o.early_share_above, 0, 1);
  in.real("falling_above", o.falling_above, 0, 1);
  const auto optional_real = [&](const char* key, std::optional<double>& value) {
    double number = value.value_or(0);
    const bool given = in.has(key);
    in.real(key, number, 0, 1e6);
    if (given) value = number;
  };
  optional_real("aux_loss_coef", o.aux_loss_coef);
  optional_real("z_loss_coef", o.z_loss_coef);
  optional_real("router_init_std", o.router_init_std);
  if (bool given = false; in.has("bias_balancing")) {
    in.boolean("bias_balancing", given);
    o.bias_balancing = given;
  }
  in.finish();
  return o;
}

}  // namespace minimoe::capi
