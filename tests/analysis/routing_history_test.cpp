// SPDX-License-Identifier: Apache-2.0
#include "minimoe/analysis/routing_history.hpp"

#include <cmath>
#include <numeric>

#include "support/allocation_counter.hpp"
#include "support/catch.hpp"

using namespace minimoe;

namespace {

// Step `step` of two layers of four experts, K = 1: 40 tokens and something that differs each step.
std::vector<RoutingStats> stats_of(std::int64_t step) {
  std::vector<RoutingStats> layers(2);
  for (std::size_t layer = 0; layer < 2; ++layer) {
    RoutingStats& s = layers[layer];
    s.reset(4);
    const std::int64_t more = step % 10;
    s.load = {10 + more, 10 - more, 10, 10};
    s.prob_sum = {20, 10, 5, 5};
    s.gate_weight_sum = {1, 1, 1, static_cast<double>(layer + 1)};
    s.num_tokens = 40;
    s.num_dropped = step % 2;
    s.logit_square_sum = 160;
    s.z_sum = 80;
    s.aux_loss = static_cast<double>(step);
  }
  return layers;
}

}  // namespace

TEST_CASE("routing history: keeps every count, in bounded memory, and the last steps as they were", "[analysis]") {
  RoutingHistory history(2, 4);
  CHECK(history.empty());
  const std::int64_t steps = 40000;
  std::vector<std::int64_t> load(4);
  for (std::int64_t step = 1; step <= steps; ++step) {
    const auto stats = stats_of(step);
    for (std::size_t e = 0; e < 4; ++e) load[e] += stats[1].load[e];
    history.add(step, stats);
  }
  const auto logs = history.layers(1, {1, 3});
  REQUIRE(logs.size() == 2);
  CHECK(logs[1].block == 3);
  const std::vector<RouterLogEntry>& entries = logs[1].entries;
  CHECK(entries.size() <= 256 + 128);
  std::vector<std::int64_t> sum(4);
  std::int64_t at = 0, dropped = 0;
  for (const RouterLogEntry& entry : entries) {
    REQUIRE(entry.step == at + entry.num_steps);  // no gap, no overlap
    at = entry.step;
    dropped += *entry.num_dropped;
    for (std::size_t e = 0; e < 4; ++e) sum[e] += entry.load[e];
    CHECK(entry.mean_probs[0] == Approx(0.5));
    CHECK(entry.gate_weight_share[3] == Approx(0.4));
    CHECK(entry.router_logit_norm == Approx(2));
    CHECK(entry.z_loss == Approx(2));
    CHECK_FALSE(entry.bias_min);
  }
  CHECK(at == steps);
  CHECK(sum == load);
  CHECK(dropped == steps / 2);
  const RouterLogEntry& last = entries.back();
  CHECK(last.num_steps == 1);
  CHECK(last.aux_loss == static_cast<double>(steps));
  const RouterLogEntry& seven = entries[entries.size() - 4];  // step 39997
  CHECK(seven.load == std::vector<std::int64_t>{17, 3, 10, 10});
  CHECK(seven.max_violation_batch == Approx(0.7));
  CHECK(entries.front().max_violation_batch == Approx(0.45).margin(0.01));  // the mean over steps, not of the sum
}

TEST_CASE("routing history: adding allocates nothing", "[analysis]") {
  RoutingHistory history(2, 4);
  const auto stats = stats_of(3);
  const std::uint64_t before = minimoe_test::num_allocations();
  for (std::int64_t step = 1; step <= 5000; ++step) {
    history.add(step, stats);
    history.set_bias_range(0, -1, 1);
  }
  CHECK(minimoe_test::num_allocations() == before);
  CHECK(history.layers(1, {0, 1})[0].entries.back().bias_max == 1.0);
}

TEST_CASE("routing history: begins anew", "[analysis]") {
  RoutingHistory history(2, 4);
  for (std::int64_t step = 1; step <= 1000; ++step) history.add(step, stats_of(step));
  history.clear();
  CHECK(history.empty());
  history.add(7, stats_of(7));
  const auto logs = history.layers(1, {0, 1});
  REQUIRE(logs[0].entries.size() == 1);
  CHECK(logs[0].entries[0].load == std::vector<std::int64_t>{17, 3, 10, 10});
}
