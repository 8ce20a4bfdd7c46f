// SPDX-License-Identifier: Apache-2.0
#include "minimoe/moe/bias_balancer.hpp"

#include <cmath>

#include "moe/layer_run.hpp"
#include "support/catch.hpp"

using namespace minimoe;
using minimoe::test::LayerRun;

namespace {

std::vector<double> updated(std::vector<double> bias, std::vector<std::int64_t> load, double rate, bool centering) {
  update_expert_bias(View<double, 1>(bias.data(), {bias.size()}),
                     View<const std::int64_t, 1>(load.data(), {load.size()}), rate, centering);
  return bias;
}

}  // namespace

TEST_CASE("bias_balancer: bias rises by the rate below the mean load, falls above, stays at equality", "[moe]") {
  CHECK(updated({0, 0, 0, 0}, {1, 3, 2, 2}, 0.25, false) == std::vector<double>{0.25, -0.25, 0, 0});
  CHECK(updated({1, 1, 1, 1}, {2, 2, 2, 2}, 0.25, false) == std::vector<double>{1, 1, 1, 1});
  CHECK(updated({0.5, 0.5}, {9, 1}, 0, false) == std::vector<double>{0.5, 0.5});
  // The size of the violation does not matter, only its sign.
  CHECK(updated({0, 0}, {1000, 0}, 0.25, false) == updated({0, 0}, {501, 499}, 0.25, false));
}

TEST_CASE("bias_balancer: the comparison with the mean is exact in integers", "[moe]") {
  // The mean is 5/3: no double holds it; 1 and 2 lie on its two sides.
  CHECK(updated({0, 0, 0}, {2, 2, 1}, 1, false) == std::vector<double>{-1, -1, 1});
  // One assignment beyond what a double (2^53), let alone a float, tells apart.
  const std::int64_t large = std::int64_t{1} << 54;
  CHECK(updated({0, 0, 0}, {large + 1, large, large - 1}, 1, false) == std::vector<double>{-1, 0, 1});
}

TEST_CASE("bias_balancer: centring subtracts the mean of the step and never changes who is chosen", "[moe]") {
  const auto plain = updated({0, 0, 0, 0}, {5, 1, 1, 1}, 0.5, false);
  const auto centred = updated({0, 0, 0, 0}, {5, 1, 1, 1}, 0.5, true);
  CHECK(plain == std::vector<double>{-0.5, 0.5, 0.5, 0.5});
  CHECK(centred == std::vector<double>{-0.75, 0.25, 0.25, 0.25});
  LayerRun<double> a(MoEConfig{.d_model = 5}, 40), b(MoEConfig{.d_model = 5}, 40);
  a.set("expert_bias", plain);
  b.set("expert_bias", centred);
  a.forward();
  b.forward();
  CHECK(a.topk_idx() == b.topk_idx());
  CHECK(a.stats.load[0] < a.stats.load[1]);
}

TEST_CASE("bias_balancer: bad sizes, rates and counts are refused with the values", "[moe]") {
  CHECK_THROWS_WITH(updated({0, 0}, {1, 1, 1}, 1, false),
                    "update_expert_bias: expert_bias is [2], load is [3], expected the same");
  CHECK_THROWS_WITH(updated({0, 0}, {1, 1}, -0.5, false),
                    "update_expert_bias: rate is -0.5, expected a finite number >= 0");
  CHECK_THROWS_WITH(updated({0, 0}, {1, -1}, 1, false), "update_expert_bias: load of expert 1 is -1, expected >= 0");
}

TEST_CASE("bias_balancer: a dead expert's bias grows and it is chosen again within 1 / (2u) steps of saturation",
          "[moe]") {
  for (const GateOrder order : {GateOrder::kSoftmaxTopk, GateOrder::kSigmoidTopkRenorm}) {
    MoEConfig config{.d_model = 2, .num_experts = 2, .top_k = 1, .gate_order = order, .allow_constant_gate = true};
    config.router_bias = true;
    LayerRun<double> run(config, 16);
    run.set("router.weight", std::vector<double>(4, 0.0));
    run.set("router.bias", {50, -50});  // saturated: expert 0 has all the mass
    run.set("expert_bias", {0, 0});
    const double rate = 1.0 / 64;
    const int bound = 32;  // 1 / (2 rate): the gap of at most 1 closes by two rates a step
    double last_bias = 0;
    int steps = 0;
    for (run.forward(); run.stats.load[1] == 0; run.forward(), ++steps) {
      REQUIRE(steps <= bound);
      update_expert_bias(run.layer.expert_bias(), View<const std::int64_t, 1>(run.stats.load.data(), {2}), rate, false);
      REQUIRE(run.value("expert_bias")[1] == last_bias + rate);
      last_bias += rate;
    }
    INFO("order " << static_cast<int>(order));
    CHECK(steps >= bound);  // and not before the gap is closed (a tie still goes to the lower index)
    CHECK(run.stats.prob_sum[0] == Approx(16));
  }
}

TEST_CASE("bias_balancer: the bias enters the choice and no weight, loss, statistic of probability, or gradient",
          "[moe]") {
  for (const GateOrder order : {GateOrder::kSoftmaxTopkRenorm, GateOrder::kSoftmaxTopk, GateOrder::kTopkSoftmax,
                                GateOrder::kSigmoidTopkRenorm}) {
    INFO("order " << static_cast<int>(order));
    MoEConfig config{.d_model = 6, .num_experts = 4, .top_k = 2, .gate_order = order, .aux_loss_coef = 0.5};
    config.z_loss_coef = 0.5;
    LayerRun<double> with(config, 24), without(config, 24);
    // A bias that moves no choice: all experts alike, and a part below every gap between the K-th and the next score.
    without.set("expert_bias", {0, 0, 0, 0});
    const double gap = without.reference_forward().choice_margin;
    with.set("expert_bias", {3 + 0.4 * gap, 3, 3 - 0.4 * gap, 3});
    with.step();
    without.step();
    REQUIRE(with.stats.load == without.stats.load);
    // Slot order follows the biased scores; sum over slots is then compared up to its order.
    CHECK(test::distance(with.y, without.y) < 1e-15);
    CHECK(with.stats.aux_loss == without.stats.aux_loss);
    CHECK(with.stats.z_loss == without.stats.z_loss);
    CHECK(with.stats.prob_sum == without.stats.prob_sum);
    CHECK(test::distance(with.d_x, without.d_x) < 1e-15);
    for (const auto& [name, gradient] : with.gradients) {
      INFO(name);
      CHECK(test::distance(gradient, without.gradients.at(name)) < 1e-15);
    }
  }
}

TEST_CASE("bias_balancer: a biased choice has the unbiased weight, to the last bit", "[moe]") {
  // One token, three experts, p = (.9, .09, .01): the bias lifts expert 2 to the front, its weight stays .01. Taking
  // biased - bias would lose 0.01 in float beside a bias of 1e6.
  MoEConfig config{.d_model = 1, .num_experts = 3, .top_k = 1};
  LayerRun<float> run(config, 1);
  run.set_logits({{std::log(0.90), std::log(0.09), std::log(0.01)}});
  run.set("expert_bias", {0, 0, 1e6f});
  run.forward();
  CHECK(run.topk_idx() == std::vector<std::int32_t>{2});
  CHECK(run.gate_weights()[0] == run.cache.router_probs_TE(0, 2));
  CHECK(run.gate_weights()[0] == Approx(0.01).epsilon(1e-6));
}

TEST_CASE("bias_balancer: the bias is a saved buffer without gradient or decay; frozen when nobody updates it",
          "[moe]") {
  LayerRun<float> run(MoEConfig{.d_model = 6, .bias_balancing = true}, 24);
  const ParameterRef<float>& p = run.parameter("expert_bias");
  CHECK(p.role == Role::kBuffer);
  CHECK(p.decay == Decay::kNo);
  CHECK(!p.bind_gradient);
  CHECK(p.gradient == nullptr);
  const auto before = run.value("expert_bias");
  run.step();
  run.context.training = false;
  run.forward();
  CHECK(run.value("expert_bias") == before);
}
