// SPDX-License-Identifier: Apache-2.0
#include <minimoe/analysis/health.hpp>

#include "health_options.hpp"
#include "trainer.hpp"

using namespace minimoe::capi;

minimoe_status minimoe_health_check(const char* log, size_t log_len, const char* json, size_t json_len, char* buf,
                                    size_t buf_cap, size_t* buf_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const TextOutput out(where, buf, buf_cap, buf_needed);
    const minimoe::HealthOptions options = input_health_options(where, json, json_len, {});
    const auto text = input(where, "log", log, log_len);
    const auto layers = minimoe::read_router_log({text.data(), text.size()});
    out.write(minimoe::health_json(minimoe::check_health(layers, options)));
  });
}

minimoe_status minimoe_trainer_health(const minimoe_trainer* trainer, const char* json, size_t json_len, char* buf,
                                      size_t buf_cap, size_t* buf_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const TextOutput out(where, buf, buf_cap, buf_needed);
    const Reading<minimoe_trainer> reading(where, "trainer", trainer);
    const minimoe::RunConfig& config = reading->config;
    const minimoe::MoEConfig& moe = config.model.moe;
    minimoe::HealthOptions defaults;
    defaults.warmup = static_cast<std::int64_t>(config.train.warmup_steps);
    defaults.aux_loss_coef = moe.aux_loss_coef;
    defaults.z_loss_coef = moe.z_loss_coef;
    defaults.router_init_std = moe.router_init_std;
    defaults.bias_balancing = moe.bias_balancing;
    const minimoe::HealthOptions options = input_health_options(where, json, json_len, defaults);
    minimoe::require(!config.model.moe_layers.empty(), where, ": the model has no MoE layer");
    minimoe::require(!reading->history.empty(), where,
                     ": the trainer has done no step since it was created or resumed");
    out.write(minimoe::health_json(
        minimoe::check_health(reading->history.layers(moe.top_k, config.model.moe_layers), options)));
  });
}
