// SPDX-License-Identifier: Apache-2.0
#include "minimoe/analysis/routing_figures.hpp"

#include <cmath>

#include "support/catch.hpp"

using namespace minimoe;

namespace {

RouterLogEntry line(std::int64_t step, std::vector<std::int64_t> load, std::vector<double> probs = {}) {
  RouterLogEntry entry;
  entry.step = step;
  entry.load = std::move(load);
  entry.mean_probs = std::move(probs);
  return entry;
}

}  // namespace

TEST_CASE("routing figures: logit norm of the span's tokens, bias of its last line, none where a line lacks it",
          "[analysis]") {
  std::vector<RouterLogEntry> log{line(1, {30, 0}), line(2, {5, 5})};
  log[0].router_logit_norm = 2;
  log[1].router_logit_norm = 6;
  log[0].bias_min = -3;
  log[0].bias_max = 9;
  log[1].bias_min = -1;
  log[1].bias_max = 1;
  const RoutingFigures f = routing_figures(log, 1);
  CHECK(f.router_logit_norm.value() == Approx(std::sqrt((30 * 4 + 10 * 36) / 40.0)));
  CHECK(f.bias_min == -1.0);
  CHECK(f.bias_max == 1.0);
  log[0].router_logit_norm.reset();
  log[1].bias_max.reset();
  const RoutingFigures part = routing_figures(log, 1);
  CHECK_FALSE(part.router_logit_norm);
  CHECK_FALSE(part.bias_max);
}

TEST_CASE("routing figures: two steps by hand", "[analysis]") {
  // Step 1: 8 tokens, all on expert 0. Step 2: 8 tokens, all on expert 1. K = 1, E = 4.
  std::vector<RouterLogEntry> log{line(1, {8, 0, 0, 0}, {0.7, 0.1, 0.1, 0.1}), line(2, {0, 8, 0, 0}, {0.5, 0.5, 0, 0})};
  log[0].num_dropped = 2;
  log[1].num_dropped = 0;
  const RoutingFigures f = routing_figures(log, 1);
  CHECK(f.first_step == 1);
  CHECK(f.last_step == 2);
  CHECK(f.num_tokens == 16);
  CHECK(f.load == std::vector<std::int64_t>{8, 8, 0, 0});
  CHECK(f.counts.effective_experts == Approx(2));
  CHECK(f.effective_share == Approx(0.5));
  CHECK(f.distance == Approx(1.0 / 3));        // (2 - 1) / (4 - 1)
  CHECK(f.counts.max_violation == Approx(1));  // the window: 8 of a mean of 4
  CHECK(f.max_violation_batch == Approx(3));   // each step: 8 of a mean of 2
  CHECK(f.max_share_batch == Approx(1));
  CHECK(f.is_batch_exact);
  CHECK(f.dead == std::vector<std::size_t>{2, 3});
  CHECK(f.cold == std::vector<std::size_t>{2, 3});
  CHECK(f.hot == std::vector<std::size_t>{0, 1});
  CHECK(f.mean_probs[0] == Approx(0.6));
  CHECK(f.mean_probs[1] == Approx(0.3));
  CHECK(f.mean_probs[2] == Approx(0.05));
  CHECK(f.gate_gap == Approx((0.1 + 0.2 + 0.05 + 0.05) / 2));
  CHECK(f.gate_excess == Approx(0.1));
  CHECK(f.gate_excess_expert == 0);
  const double entropy = -0.6 * std::log(0.6) - 0.3 * std::log(0.3) - 0.1 * std::log(0.05);
  CHECK(f.gate_effective_experts == Approx(std::exp(entropy)));
  CHECK(f.probs->effective_experts == Approx(std::exp(entropy)));
  CHECK(f.probs->entropy == Approx(entropy / std::log(4)));
  CHECK(f.probs->max_violation == Approx(1.4));
  CHECK(f.probs->utilisation[1] == Approx(1.2));
  CHECK_FALSE(f.weights);
  CHECK(f.gate_distance == Approx((std::exp(entropy) - 1) / 3));
  CHECK(f.drop_rate == 2.0 / 16);
  // Utilisations 2, 2, 0, 0, and 2.4, 1.2, .2, .2.
  CHECK(f.from_assignments.utilization_variance == Approx(1));
  CHECK(f.from_assignments.hot_count == 2);
  CHECK(f.from_assignments.cold_count == 2);
  CHECK(f.from_probabilities.utilization_variance == Approx((1.96 + 0.04 + 0.64 + 0.64) / 4));
  CHECK(f.from_probabilities.hot_count == 1);
  CHECK(f.from_probabilities.cold_count == 0);
}

TEST_CASE("routing figures: the distance of the same K experts is 0 for any K", "[analysis]") {
  for (std::size_t top_k = 1; top_k < 8; ++top_k) {
    std::vector<std::int64_t> load(8);
    for (std::size_t e = 0; e < top_k; ++e) load[e] = 100;
    const std::vector<RouterLogEntry> log{line(1, load)};
    const RoutingFigures f = routing_figures(log, top_k);
    CHECK(f.distance == Approx(0).margin(1e-12));
    CHECK(f.counts.max_share == Approx(1));
    CHECK(f.max_share_batch == Approx(1));
  }
}

TEST_CASE("routing figures: what a line sums and does not say is a lower bound", "[analysis]") {
  std::vector<RouterLogEntry> log{line(10, {8, 8})};
  log[0].num_steps = 10;
  CHECK_FALSE(routing_figures(log, 1).is_batch_exact);
  CHECK(routing_figures(log, 1).max_violation_batch == 0);
  log[0].max_violation_batch = 0.75;
  CHECK(routing_figures(log, 1).is_batch_exact);
  CHECK(routing_figures(log, 1).max_violation_batch == 0.75);
  CHECK_FALSE(routing_figures(log, 1).has_gate);
  CHECK_FALSE(routing_figures(log, 1).drop_rate);
  log[0].gate_weight_share = {0.9, 0.1};
  const RoutingFigures f = routing_figures(log, 1);
  CHECK(f.has_gate);
  CHECK_FALSE(f.has_probs);
  CHECK_FALSE(f.probs);
  CHECK(f.weights->max_violation == Approx(0.8));
  CHECK(f.gate_excess == Approx(0.4));
}

TEST_CASE("routing figures: losses are means over the steps, and none where a line lacks one", "[analysis]") {
  std::vector<RouterLogEntry> log{line(1, {4, 4}), line(4, {4, 4})};
  log[1].num_steps = 3;
  log[0].aux_loss = 1;
  log[1].aux_loss = 3;
  log[1].z_loss = 5;
  CHECK(routing_figures(log, 1).aux_loss.value() == Approx(2.5));
  CHECK_FALSE(routing_figures(log, 1).z_loss);
}

TEST_CASE("routing figures: what is cold and hot is a limit of the caller's", "[analysis]") {
  const std::vector<RouterLogEntry> log{line(1, {30, 10, 20, 20}, {0.3, 0.2, 0.25, 0.25})};
  const RoutingFigures usual = routing_figures(log, 1);
  CHECK(usual.cold.empty());
  CHECK(usual.hot == std::vector<std::size_t>{0});
  const RoutingFigures moved = routing_figures(log, 1, {0.6, 1.6});
  CHECK(moved.cold == std::vector<std::size_t>{1});
  CHECK(moved.hot.empty());
  CHECK(moved.from_assignments.cold_count == 1);
  CHECK(moved.from_probabilities.cold_count == 0);
}

TEST_CASE("routing figures: mean probabilities weigh each line by its tokens", "[analysis]") {
  const std::vector<RouterLogEntry> log{line(1, {3, 0}, {1, 0}), line(2, {0, 9}, {0, 1})};
  CHECK(routing_figures(log, 1).mean_probs[0] == Approx(0.25));
}
