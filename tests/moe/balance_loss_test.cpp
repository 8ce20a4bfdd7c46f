// SPDX-License-Identifier: Apache-2.0
#include "minimoe/moe/balance_loss.hpp"

#include <cmath>

#include "moe/layer_run.hpp"
#include "support/catch.hpp"

using namespace minimoe;
using minimoe::test::LayerRun;

namespace {

double aux_of(const std::vector<double>& prob_sum, const std::vector<std::int64_t>& load, std::int64_t num_tokens,
              std::size_t top_k) {
  return switch_aux_loss(View<const double, 1>(prob_sum.data(), {prob_sum.size()}),
                         View<const std::int64_t, 1>(load.data(), {load.size()}), num_tokens, top_k);
}

using Logits = std::vector<std::vector<double>>;

MoEConfig sized_for(const Logits& logits, MoEConfig config) {
  config.d_model = logits.size();
  config.num_experts = logits[0].size();
  return config;
}

/// A layer whose d_model tokens have exactly these logits.
struct LogitsRun : LayerRun<double> {
  LogitsRun(const Logits& logits, const MoEConfig& base) : LayerRun<double>(sized_for(logits, base), logits.size()) {
    set("expert_bias", std::vector<double>(config.num_experts, 0.0));
    set_logits(logits);
  }
};

std::vector<double> log_of(std::vector<double> p) {
  for (double& value : p) value = std::log(value);
  return p;
}

}  // namespace

TEST_CASE("test_aux_loss_is_one_for_uniform", "[moe][loss]") {
  for (const std::size_t top_k : {1, 2, 4}) {
    INFO("K = " << top_k);
    // Token t prefers experts t, t + 1, ... (mod 8): every expert gets K of the 8 K assignments and P = 1/8.
    Logits logits(8, std::vector<double>(8));
    for (std::size_t t = 0; t < 8; ++t) {
      for (std::size_t i = 0; i < 8; ++i) logits[t][(t + i) % 8] = -0.3 * static_cast<double>(i);
    }
    LogitsRun run(logits, {.top_k = top_k});
    run.forward();
    CHECK(run.stats.load == std::vector<std::int64_t>(8, static_cast<std::int64_t>(top_k)));
    CHECK(run.stats.aux_loss == Approx(1).epsilon(1e-14));
  }
}

TEST_CASE("test_aux_loss_grows_under_imbalance", "[moe][loss]") {
  for (const std::size_t top_k : {1, 2, 4}) {
    INFO("K = " << top_k);
    // From even probabilities to all the mass on the same K experts: E / K, which is E for K = 1.
    double last = 0;
    for (const double strength : {0.0, 0.5, 2.0, 60.0}) {
      std::vector<double> row(8, 0.0);
      for (std::size_t e = 8 - top_k; e < 8; ++e) row[e] = strength;
      LogitsRun run(Logits(6, row), {.top_k = top_k});
      run.forward();
      CHECK(run.stats.aux_loss > last);
      last = run.stats.aux_loss;
    }
    CHECK(last == Approx(8.0 / static_cast<double>(top_k)).epsilon(1e-14));
  }
}

TEST_CASE("balance_loss: the loss can be below 1 (E = 2, .98)", "[moe][loss]") {
  Logits logits(6, log_of({.51, .49}));
  logits.insert(logits.end(), 4, log_of({.36, .64}));
  LogitsRun run(logits, {.top_k = 1});
  run.forward();
  CHECK(run.stats.load == std::vector<std::int64_t>{6, 4});
  CHECK(run.stats.aux_loss == Approx(0.98).epsilon(1e-13));
}

TEST_CASE("balance_loss: a total collapse can hide behind 1.008, so balance is never read from the loss",
          "[moe][loss]") {
  const double p0 = 1.0 / 8 + 1e-3, other = (1 - p0) / 7;
  std::vector<double> row(8, other);
  row[0] = p0;
  LogitsRun run(Logits(10, log_of(row)), {.top_k = 1});
  run.forward();
  CHECK(run.stats.load == std::vector<std::int64_t>{10, 0, 0, 0, 0, 0, 0, 0});
  CHECK(run.stats.aux_loss == Approx(1.008).epsilon(1e-13));
}

TEST_CASE("balance_loss: E = 1 and K = E give 1 whatever the logits are", "[moe][loss]") {
  LayerRun<double> one(MoEConfig{.d_model = 4, .num_experts = 1, .top_k = 1}, 9);
  one.forward();
  CHECK(one.stats.aux_loss == 1);
  LayerRun<double> all(MoEConfig{.d_model = 4, .num_experts = 5, .top_k = 5}, 9);
  all.forward();
  CHECK(all.stats.aux_loss == Approx(1).epsilon(1e-14));
}

TEST_CASE("balance_loss: P is the mean of one full softmax over all experts, the chosen and the others",
          "[moe][loss]") {
  // Two tokens, three experts, K = 1. P = (.5, .25, .25), f = (1/2, 1/2, 0): 3 * (.25 + .125) = 1.125. Over the chosen
  // only, or renormalised, or with a second softmax, it would be another number.
  LogitsRun run({log_of({.7, .2, .1}), log_of({.3, .4, .3})}, {.top_k = 1});
  run.forward();
  CHECK(run.stats.prob_sum[0] == Approx(1.0).epsilon(1e-14));
  CHECK(run.stats.prob_sum[1] == Approx(0.6).epsilon(1e-14));
  CHECK(run.stats.prob_sum[2] == Approx(0.4).epsilon(1e-14));
  CHECK(run.stats.aux_loss == Approx(3 * (0.5 * 0.5 + 0.5 * 0.3)).epsilon(1e-14));
  // Sigmoid rows enter divided by their sum: sigmoid(0) = .5 and sigmoid(ln 3) = .75, so p = (.4, .6).
  LogitsRun sigmoid({{0, std::log(3.0)}, {0, std::log(3.0)}},
                    {.top_k = 1, .gate_order = GateOrder::kSigmoidTopkRenorm, .allow_constant_gate = true});
  sigmoid.forward();
  CHECK(sigmoid.stats.prob_sum[0] == Approx(0.8).epsilon(1e-14));
  CHECK(sigmoid.stats.aux_loss == Approx(2 * 0.6).epsilon(1e-14));
}

TEST_CASE("balance_loss: its gradient is E/T p_j (f_j - sum f p), f being a constant", "[moe][loss]") {
  for (const bool sigmoid : {false, true}) {
    MoEConfig config{.top_k = 2, .aux_loss_coef = 0.25};
    if (sigmoid) config.gate_order = GateOrder::kSigmoidTopkRenorm;
    const Logits logits{{1, 0.5, -0.2}, {0.3, 0.2, -1}, {-0.5, 0.1, 0.7}, {2, -1, 0}};
    LogitsRun run(logits, config);
    std::fill(run.d_y.begin(), run.d_y.end(), 0.0);
    run.step();
    for (std::size_t t = 0; t < 4; ++t) {
      double mean = 0;
      for (std::size_t e = 0; e < 3; ++e) {
        mean += static_cast<double>(run.stats.load[e]) / 8 * run.cache.router_probs_TE(t, e);
      }
      for (std::size_t e = 0; e < 3; ++e) {
        const double s = sigmoid ? 1 / (1 + std::exp(-logits[t][e])) : 0;
        const double f = static_cast<double>(run.stats.load[e]) / 8;
        const double expected = 0.25 * 3 / 4 * run.cache.router_probs_TE(t, e) * (1 - s) * (f - mean);
        CHECK(run.d_logit(t, e) == Approx(expected).epsilon(1e-12).margin(1e-16));
      }
    }
  }
}

TEST_CASE("balance_loss: z is the mean squared logsumexp, (ln E)^2 at zero logits, with its stated gradient",
          "[moe][loss]") {
  LogitsRun zero(Logits(4, std::vector<double>(8, 0.0)), {});
  zero.forward();
  CHECK(zero.stats.z_loss == Approx(std::log(8.0) * std::log(8.0)).epsilon(1e-14));

  const Logits logits{{1, 0.5, -0.2}, {300, 0.2, -1}};
  for (const GateOrder order : {GateOrder::kSoftmaxTopk, GateOrder::kSigmoidTopkRenorm}) {
    LogitsRun run(logits, {.gate_order = order, .aux_loss_coef = 0, .z_loss_coef = 0.5});
    std::fill(run.d_y.begin(), run.d_y.end(), 0.0);
    run.step();
    const double lse0 = std::log(std::exp(1) + std::exp(0.5) + std::exp(-0.2));
    CHECK(run.stats.z_loss == Approx((lse0 * lse0 + 300.0 * 300.0) / 2).epsilon(1e-14));
    CHECK(run.stats.z_sum == Approx(lse0 * lse0 + 300.0 * 300.0).epsilon(1e-14));
    CHECK(run.d_logit(0, 1) == Approx(0.5 * 2 / 2 * lse0 * std::exp(0.5 - lse0)).epsilon(1e-13));
    CHECK(run.d_logit(1, 0) == Approx(0.5 * 300).epsilon(1e-13));
  }
}

TEST_CASE("balance_loss: a coefficient of 0 reports the loss and differentiates nothing", "[moe][loss]") {
  LogitsRun run({{1, 0.5, -0.2}, {0.3, 0.2, -1}, {-0.5, 0.1, 0.7}}, {.aux_loss_coef = 0, .z_loss_coef = 0});
  std::fill(run.d_y.begin(), run.d_y.end(), 0.0);
  run.step();
  CHECK(run.stats.aux_loss > 0.5);
  CHECK(run.stats.z_loss > 0.5);
  CHECK(run.gradients["router.weight"] == std::vector<double>(9, 0.0));
}

TEST_CASE("balance_loss: sums that contradict each other are refused", "[moe][loss]") {
  CHECK_THROWS_WITH(aux_of({1, 1}, {1, 2}, 2, 1),
                    "switch_aux_loss: load sums to 3, expected num_tokens * top_k = 2 * "
                    "1, with both at least 1");
  CHECK_THROWS_AS(aux_of({0, 0}, {0, 0}, 0, 1), Error);
  CHECK_THROWS_WITH(aux_of({1, 1, 1}, {1, 1}, 2, 1),
                    "switch_aux_loss: prob_sum is [3], load is [2], expected the same");
}
