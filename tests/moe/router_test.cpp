// SPDX-License-Identifier: Apache-2.0
#include "moe/router.hpp"

#include <cmath>
#include <limits>

#include "moe/layer_run.hpp"
#include "support/catch.hpp"

using namespace minimoe;
using minimoe::test::LayerRun;

namespace {

constexpr GateOrder kOrders[] = {GateOrder::kSoftmaxTopkRenorm, GateOrder::kSoftmaxTopk, GateOrder::kTopkSoftmax,
                                 GateOrder::kSigmoidTopkRenorm};

using Indices = std::vector<std::int32_t>;

}  // namespace

TEST_CASE("test_routing_is_top_k", "[moe][router]") {
  // Two tokens, three experts, K = 2, by hand: softmax(ln 6, ln 3, ln 1) = (.6, .3, .1).
  LayerRun<double> run(MoEConfig{.d_model = 2, .num_experts = 3, .top_k = 2}, 2);
  run.set("expert_bias", {0, 0, 0});
  run.set_logits({{std::log(6), std::log(3), 0}, {0, std::log(3), std::log(6)}});
  run.forward();
  CHECK(run.topk_idx() == Indices{0, 1, 2, 1});
  CHECK(run.gate_weights()[0] == Approx(2.0 / 3).epsilon(1e-14));
  CHECK(run.gate_weights()[1] == Approx(1.0 / 3).epsilon(1e-14));
  CHECK(run.gate_weights()[2] == Approx(2.0 / 3).epsilon(1e-14));
  CHECK(run.stats.load == std::vector<std::int64_t>{1, 2, 1});

  // And at random: exactly the K best of each token, in descending order, in every gate order and size.
  for (const GateOrder order : kOrders) {
    for (const auto& [num_experts, top_k] : {std::pair<std::size_t, std::size_t>{4, 2}, {9, 3}, {16, 15}, {5, 5}}) {
      LayerRun<float> random(MoEConfig{.d_model = 7, .num_experts = num_experts, .top_k = top_k, .gate_order = order},
                             33);
      random.forward();
      const reference::MoEResult expected = random.reference_forward();
      CHECK(random.topk_idx() == Indices(expected.topk_idx.begin(), expected.topk_idx.end()));
    }
  }
}

TEST_CASE("router: ties go to the lower index, and a zero router sends every token to experts 0..K-1",
          "[moe][router]") {
  LayerRun<float> zero(MoEConfig{.d_model = 4, .num_experts = 6, .top_k = 3}, 5);
  zero.set("router.weight", std::vector<float>(24, 0.0f));
  zero.set("expert_bias", std::vector<float>(6, 0.0f));
  zero.forward();
  CHECK(zero.topk_idx() == Indices{0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2});
  CHECK(zero.stats.load == std::vector<std::int64_t>{5, 5, 5, 0, 0, 0});
  // A tie below a winner, and one that the bias makes.
  LayerRun<double> run(MoEConfig{.d_model = 1, .num_experts = 4, .top_k = 2}, 1);
  run.set_logits({{1, 1, 1, 2}});
  run.set("expert_bias", {0, 0, 0, 0});
  run.forward();
  CHECK(run.topk_idx() == Indices{3, 0});
  run.set("expert_bias", {-0.5, 0.25, 0.25, 0});
  run.forward();
  CHECK(run.topk_idx() == Indices{3, 1});
}

TEST_CASE("router: without a bias softmax_topk_renorm and topk_softmax agree, forward and backward", "[moe][router]") {
  const auto config_of = [](GateOrder order) {
    return MoEConfig{.d_model = 6, .num_experts = 5, .top_k = 3, .gate_order = order, .aux_loss_coef = 0.2};
  };
  LayerRun<double> a(config_of(GateOrder::kSoftmaxTopkRenorm), 40), b(config_of(GateOrder::kTopkSoftmax), 40);
  for (auto* run : {&a, &b}) {
    run->set("expert_bias", std::vector<double>(5, 0.0));
    run->step();
  }
  CHECK(a.topk_idx() == b.topk_idx());
  CHECK(test::distance(a.y, b.y) < 1e-14);
  CHECK(test::distance(a.d_x, b.d_x) < 1e-14);
  for (const auto& [name, gradient] : a.gradients) {
    INFO(name);
    CHECK(test::distance(gradient, b.gradients.at(name)) < 1e-14);
  }
  // They are two code paths: with K < E the other two orders do differ from them.
  LayerRun<double> c(config_of(GateOrder::kSoftmaxTopk), 40);
  c.set("expert_bias", std::vector<double>(5, 0.0));
  c.step();
  CHECK(test::distance(a.y, c.y) > 1e-3);
}

TEST_CASE("router: a sigmoid order of equal sigmoids and of any routed_scale is what its formula says",
          "[moe][router]") {
  MoEConfig config{
      .d_model = 1, .num_experts = 3, .top_k = 2, .gate_order = GateOrder::kSigmoidTopkRenorm, .routed_scale = 2.5};
  LayerRun<double> run(config, 1);
  run.set("expert_bias", {0, 0, 0});
  run.set_logits({{0, std::log(3), -50}});  // sigmoids 1/2, 3/4, ~0
  run.forward();
  CHECK(run.topk_idx() == Indices{1, 0});
  CHECK(run.gate_weights()[0] == Approx(2.5 * 0.6).epsilon(1e-14));
  CHECK(run.gate_weights()[1] == Approx(2.5 * 0.4).epsilon(1e-14));
  CHECK(run.cache.scores_TE(0, 1) == Approx(0.75).epsilon(1e-14));
}

TEST_CASE("router: a NaN or infinite logit is an error that names token and expert, before anything is counted",
          "[moe][router]") {
  const float bad[] = {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                       -std::numeric_limits<float>::infinity()};
  const std::string texts[] = {"nan", "inf", "-inf"};
  for (int i = 0; i < 3; ++i) {
    MoEConfig config{.d_model = 4, .num_experts = 3, .top_k = 2};
    config.router_bias = true;
    LayerRun<float> run(config, 6);
    run.forward();
    const RoutingStats before = run.stats;
    run.set("router.bias", {0, bad[i], 0});
    try {
      run.forward();
      FAIL("no error");
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::kNonFinite);
      CHECK(std::string(error.what()) == "moe_layer.forward: router logit of token 0, expert 1 is " + texts[i]);
    }
    CHECK(run.stats.load == before.load);
    CHECK(run.stats.num_tokens == before.num_tokens);
    CHECK_THROWS_AS(run.backward(), Error);  // that forward left nothing to differentiate
  }
  LayerRun<float> run(MoEConfig{.d_model = 4, .num_experts = 3, .top_k = 2}, 6);
  run.x[4 * 4 + 2] = bad[0];
  CHECK_THROWS_WITH(run.forward(), "moe_layer.forward: router logit of token 4, expert 0 is nan");
}

TEST_CASE("router: denominators that underflow are clamped; weights and gradients stay finite", "[moe][router]") {
  // float: sigmoid(-200) underflows to 0, sigmoid(-90) is subnormal, softmax of 200 below the largest is 0.
  for (const float logit : {-200.0f, -95.0f, -90.0f, -60.0f}) {
    MoEConfig config{.d_model = 1,
                     .num_experts = 4,
                     .top_k = 2,
                     .gate_order = GateOrder::kSigmoidTopkRenorm,
                     .aux_loss_coef = 1,
                     .z_loss_coef = 1};
    LayerRun<float> run(config, 1);
    run.set("expert_bias", {0, 0, 0, 0});
    run.set_logits({std::vector<double>(4, logit)});
    run.step();
    for (const auto* values : {&run.y, &run.d_x, &run.gradients["router.weight"]}) {
      for (const float value : *values) CHECK(std::isfinite(value));
    }
    for (const float weight : run.gate_weights()) CHECK((weight >= 0 && weight <= 0.5f));
    CHECK(std::isfinite(run.stats.aux_loss));
    if (logit == -60.0f) {  // small, but far from the clamp
      CHECK(run.gate_weights()[0] == Approx(0.5));
      CHECK(run.cache.router_probs_TE(0, 0) == Approx(0.25));
    }
    if (logit == -200.0f) CHECK(run.gate_weights()[0] == 0);
  }
  // The bias chooses two experts whose softmax underflows.
  LayerRun<float> run(MoEConfig{.d_model = 1, .num_experts = 4, .top_k = 2, .aux_loss_coef = 1}, 1);
  run.set("expert_bias", {0, 0, 5, 5});
  run.set_logits({{300, 0, 0, 0}});
  run.step();
  CHECK(run.topk_idx() == Indices{2, 3});
  CHECK(run.gate_weights() == std::vector<float>{0, 0});
  for (const float value : run.d_x) CHECK(std::isfinite(value));
  for (const float value : run.gradients["router.weight"]) CHECK(std::isfinite(value));
}

TEST_CASE("router: a clamped denominator is a constant in the gradient", "[moe][router]") {
  // The bias picks a sigmoid e^-709 below the smallest normal double: weight = s / clamp, d weight / d logit = weight.
  MoEConfig config{.d_model = 1, .num_experts = 2, .top_k = 1, .gate_order = GateOrder::kSigmoidTopkRenorm};
  config.allow_constant_gate = true;
  config.aux_loss_coef = 0;
  LayerRun<double> run(config, 1);
  run.set("expert_bias", {0, 5});
  run.set_logits({{-4, -709}});
  run.step();
  const double weight = run.gate_weights()[0];
  CHECK((weight > 0.1 && weight < 0.9));
  CHECK(run.d_logit(0, 1) == Approx(run.y[0] * run.d_y[0]).epsilon(1e-12));
}

TEST_CASE("router: shifting expert_bias by a constant changes nothing", "[moe][router]") {
  for (const GateOrder order : kOrders) {
    MoEConfig config{.d_model = 6, .num_experts = 5, .top_k = 2, .gate_order = order};
    LayerRun<double> a(config, 50), b(config, 50);
    std::vector<double> shifted = a.value("expert_bias");
    for (double& bias : shifted) bias += 0.75;
    b.set("expert_bias", shifted);
    a.step();
    b.step();
    CHECK(a.topk_idx() == b.topk_idx());
    CHECK(test::equal_bits(a.y, b.y));
    CHECK(test::equal_bits(a.d_x, b.d_x));
    CHECK(a.gradients == b.gradients);
  }
}

TEST_CASE("router: a router bias starts with its values and moves the logits", "[moe][router]") {
  MoEConfig config{.d_model = 4, .num_experts = 3, .top_k = 1};
  config.router_bias = true;
  config.router_bias_init = {0, 7, -2};
  config.router_learning_rate_factor = 0.5;
  LayerRun<double> run(config, 10);
  initialize_parameters(run.parameters, 1);
  CHECK(run.value("router.bias") == std::vector<double>{0, 7, -2});
  CHECK(run.parameter("router.bias").decay == Decay::kNo);
  CHECK(run.parameter("router.weight").decay == Decay::kYes);
  CHECK(run.parameter("router.bias").learning_rate_factor == 0.5);
  CHECK(run.parameter("router.weight").learning_rate_factor == 0.5);
  run.set("expert_bias", {0, 0, 0});
  run.forward();
  CHECK(run.stats.load == std::vector<std::int64_t>{0, 10, 0});
}
