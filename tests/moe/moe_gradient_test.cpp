// SPDX-License-Identifier: Apache-2.0
// Every gradient of the layer against central differences in double.
#include <cmath>

#include "moe/layer_run.hpp"
#include "support/catch.hpp"

using namespace minimoe;
using minimoe::test::LayerRun;

namespace {

constexpr double kStep = 1e-5;

/// sum(y * d_y) + aux_coef * aux + z_coef * z as BalanceGradient defines them for this call.
double loss_of(LayerRun<double>& run) {
  run.forward();
  double sum = 0;
  for (std::size_t i = 0; i < run.y.size(); ++i) sum += run.y[i] * run.d_y[i];
  const BalanceGradient& balance = run.balance;
  if (balance.num_tokens > 0) {
    const auto tokens = static_cast<double>(balance.num_tokens);
    double total = 0, product = 0;
    for (std::size_t e = 0; e < run.config.num_experts; ++e) {
      const double load = static_cast<double>(balance.global_load ? balance.global_load(e) : run.stats.load[e]);
      total += load;
      product += load * run.stats.prob_sum[e];
    }
    sum += balance.aux_coef * static_cast<double>(run.config.num_experts) * product / (total * tokens);
    sum += balance.z_coef * run.stats.z_sum / tokens;
  } else {
    sum += balance.aux_coef * run.stats.aux_loss + balance.z_coef * run.stats.z_loss;
  }
  return sum;
}

std::vector<double> central_differences(LayerRun<double>& run, double* values, std::size_t count) {
  run.forward();
  const auto chosen = run.topk_idx();
  const auto kept = run.kept();
  std::vector<double> numeric(count);
  bool same_choice = true;
  for (std::size_t i = 0; i < count; ++i) {
    const double start = values[i];
    values[i] = start + kStep;
    const double above = loss_of(run);
    same_choice = same_choice && run.topk_idx() == chosen && run.kept() == kept;
    values[i] = start - kStep;
    const double below = loss_of(run);
    same_choice = same_choice && run.topk_idx() == chosen && run.kept() == kept;
    values[i] = start;
    numeric[i] = (above - below) / (2 * kStep);
  }
  CHECK(same_choice);  // a step across a border would measure a jump
  return numeric;
}

double norm(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v * v;
  return std::sqrt(sum);
}

void check_one(const std::vector<double>& analytic, const std::vector<double>& numeric, const std::string& name) {
  INFO("gradient of " << name);
  REQUIRE(norm(analytic) > 1e-8);  // no tensor of these cases has a true gradient of 0
  CHECK(test::distance(analytic, numeric) < 1e-6);
  double dot = 0;
  for (std::size_t i = 0; i < numeric.size(); ++i) dot += analytic[i] * numeric[i];
  CHECK(dot / (norm(analytic) * norm(numeric)) > 1 - 1e-10);
}

void check_gradients(LayerRun<double>& run) {
  const reference::MoEResult expected = run.reference_forward();
  REQUIRE(expected.choice_margin > 10 * kStep);
  REQUIRE(expected.drop_margin > 10 * kStep);
  run.step();
  const auto gradients = run.gradients;
  const auto d_x = run.d_x;
  for (auto& p : run.parameters) {
    if (p.role == Role::kBuffer) continue;
    check_one(gradients.at(p.name), central_differences(run, p.value, p.size()), p.name);
  }
  check_one(d_x, central_differences(run, run.x.data(), run.x.size()), "x");
}

MoEConfig small_config(GateOrder order) {
  MoEConfig config;
  config.d_model = 4;
  config.d_expert = 3;
  config.num_experts = 4;
  config.top_k = 2;
  config.gate_order = order;
  config.router_bias = true;
  config.aux_loss_coef = 0.3;
  config.z_loss_coef = 0.2;
  if (order == GateOrder::kSigmoidTopkRenorm) config.routed_scale = 2.5;
  return config;
}

constexpr GateOrder kOrders[] = {GateOrder::kSoftmaxTopkRenorm, GateOrder::kSoftmaxTopk, GateOrder::kTopkSoftmax,
                                 GateOrder::kSigmoidTopkRenorm};
const std::vector<std::uint8_t> kMask{1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 0};

}  // namespace

TEST_CASE("moe_layer: every gradient is the derivative of the loss in every gate order, drop, scope and mask",
          "[moe][gradient]") {
  int num_dropping = 0;
  for (const GateOrder order : kOrders) {
    for (const FfnKind ffn : {FfnKind::kGelu, FfnKind::kSwiglu}) {
      for (const int drop : {0, 1, 2}) {
        for (const std::size_t num_shared : {0, 2}) {
          for (const bool masked : {false, true}) {
            for (const AuxLossScope scope :
                 {AuxLossScope::kMicroBatch, AuxLossScope::kSequence, AuxLossScope::kGlobalBatch}) {
              MoEConfig config = small_config(order);
              config.ffn = ffn;
              config.capacity_factor = drop == 0 ? 0 : 0.75;
              config.drop_priority = drop == 2 ? DropPriority::kProbability : DropPriority::kPosition;
              config.num_shared_experts = num_shared;
              config.shared_expert_gate = num_shared > 0 && drop != 1;
              config.aux_loss_scope = scope;
              LayerRun<double> run(config, 12);
              run.context.seq_len = 4;
              if (masked) run.set_valid(kMask);
              std::vector<std::int64_t> global_load{31, 7, 40, 2};
              if (scope == AuxLossScope::kGlobalBatch) {
                run.balance.global_load = View<const std::int64_t, 1>(global_load.data(), {4});
                run.balance.num_tokens = 40;
              }
              INFO("order " << static_cast<int>(order) << " ffn " << static_cast<int>(ffn) << " drop " << drop
                            << " shared " << num_shared << " masked " << masked << " scope "
                            << static_cast<int>(scope));
              check_gradients(run);
              num_dropping += run.stats.num_dropped > 0;
            }
          }
        }
      }
    }
  }
  CHECK(num_dropping == 4 * 2 * 2 * 2 * 2 * 3);  // each of the cases with a capacity really drops
}

TEST_CASE("moe_layer: gradients hold for K = 1, K = E, E = 1, the exact GELU and one token", "[moe][gradient]") {
  struct Case {
    GateOrder order;
    std::size_t num_experts, top_k, num_tokens;
  };
  for (const Case& c : {Case{GateOrder::kSoftmaxTopk, 4, 1, 8}, Case{GateOrder::kSoftmaxTopkRenorm, 3, 3, 8},
                        Case{GateOrder::kSigmoidTopkRenorm, 3, 3, 8}, Case{GateOrder::kTopkSoftmax, 3, 3, 8},
                        Case{GateOrder::kSoftmaxTopk, 3, 3, 8}, Case{GateOrder::kSoftmaxTopk, 1, 1, 8},
                        Case{GateOrder::kSoftmaxTopkRenorm, 8, 3, 16}, Case{GateOrder::kSigmoidTopkRenorm, 8, 3, 1}}) {
    MoEConfig config = small_config(c.order);
    config.gelu = Gelu::kErf;
    config.num_experts = c.num_experts;
    config.top_k = c.top_k;
    LayerRun<double> run(config, c.num_tokens);
    INFO("order " << static_cast<int>(c.order) << " E " << c.num_experts << " K " << c.top_k << " T " << c.num_tokens);
    check_gradients(run);
  }
}
