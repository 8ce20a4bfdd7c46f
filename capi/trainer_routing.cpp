// SPDX-License-Identifier: Apache-2.0
// What the routers did in a trainer's last step or evaluation, and what a checkpoint is of.
#include <cmath>
#include <minimoe/train/checkpoint.hpp>
#include <numeric>

#include "core/json_writer.hpp"
#include "trainer.hpp"

namespace minimoe::capi {
namespace {

const std::vector<RoutingStats>& routing_of(const char* where, const minimoe_trainer& trainer, std::int32_t source) {
  require(source == MINIMOE_ROUTING_STEP || source == MINIMOE_ROUTING_EVALUATION, where, ": source is ", source,
          ", expected one of MINIMOE_ROUTING_");
  return source == MINIMOE_ROUTING_STEP ? trainer.trainer.routing() : trainer.evaluation;
}

// Each sum over `total`; zeros when that is 0.
std::vector<double> over(const std::vector<double>& sums, double total) {
  std::vector<double> shares(sums.size());
  if (total > 0) std::transform(sums.begin(), sums.end(), shares.begin(), [&](double sum) { return sum / total; });
  return shares;
}

std::string routing_text(const std::vector<RoutingStats>& layers, const std::vector<BiasRange>& bias,
                         const std::vector<std::size_t>& blocks) {
  JsonWriter list;
  list.begin('[');
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const RoutingStats& s = layers[i];
    if (s.num_tokens == 0) continue;
    const double weight = std::accumulate(s.gate_weight_sum.begin(), s.gate_weight_sum.end(), 0.0);
    list.begin('{').member("block", blocks[i]).member("num_tokens", s.num_tokens);
    list.member("load", s.load).member("dropped", s.dropped);
    list.member("mean_probs", over(s.prob_sum, static_cast<double>(s.num_tokens)));
    list.member("gate_weight_share", over(s.gate_weight_sum, weight));
    list.member("aux_loss", s.aux_loss).member("z_loss", s.z_loss);
    list.member("router_logit_norm", std::sqrt(s.logit_square_sum / static_cast<double>(s.num_tokens)));
    list.member("bias_min", bias[i].low).member("bias_max", bias[i].high).end('}');
  }
  return list.end(']').text();
}

}  // namespace
}  // namespace minimoe::capi

using namespace minimoe::capi;

minimoe_status minimoe_trainer_routing(const minimoe_trainer* trainer, int32_t source, char* buf, size_t buf_cap,
                                       size_t* buf_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const TextOutput out(where, buf, buf_cap, buf_needed);
    const Reading<minimoe_trainer> reading(where, "trainer", trainer);
    const auto& bias = source == MINIMOE_ROUTING_STEP ? reading->step_bias : reading->evaluation_bias;
    out.write(routing_text(routing_of(where, *reading, source), bias, reading->config.model.moe_layers));
  });
}

minimoe_status minimoe_trainer_expert_loads(const minimoe_trainer* trainer, int32_t source, size_t layer,
                                            int64_t* counts, size_t counts_cap, size_t* counts_needed,
                                            minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Output<std::int64_t> out(where, "counts", counts, counts_cap, counts_needed);
    const Reading<minimoe_trainer> reading(where, "trainer", trainer);
    const auto& layers = routing_of(where, *reading, source);
    const std::size_t num_layers = reading->config.model.moe_layers.size();
    minimoe::require(layer < num_layers, where, ": layer is ", layer, ", the model has ", num_layers, " MoE layers");
    minimoe::require(layer < layers.size(), where, ": there was no evaluation yet");
    out.write(layers[layer].load);
  });
}

minimoe_status minimoe_checkpoint_info(const char* path, char* buf, size_t buf_cap, size_t* buf_needed,
                                       minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const TextOutput out(where, buf, buf_cap, buf_needed);
    const minimoe::Checkpoint file(input_name(where, "path", path));
    const std::string config = minimoe::run_config_json(file.config());
    out.write(minimoe::concat("{\"step\":", file.step(), ",\"config\":", config, "}"));
  });
}
