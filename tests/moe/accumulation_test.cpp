// SPDX-License-Identifier: Apache-2.0
// A step of several micro-batches against one step of all their tokens.
#include <numeric>

#include "minimoe/moe/balance_loss.hpp"
#include "moe/layer_run.hpp"
#include "support/catch.hpp"

using namespace minimoe;
using minimoe::test::LayerRun;

namespace {

constexpr std::size_t kWidth = 6, kSteps = 3, kTokens = 16, kLength = 8;

/// Unequal numbers of valid tokens in the micro-batches.
std::vector<std::uint8_t> mask_of(std::size_t step) {
  std::vector<std::uint8_t> valid(kTokens, 1);
  for (std::size_t t = kLength - 2 * step; t < kLength; ++t) valid[t] = 0;
  return valid;
}

struct Outcome {
  std::vector<double> d_x;
  std::map<std::string, std::vector<double>> gradients;
};

Outcome whole_batch(const MoEConfig& config) {
  LayerRun<double> run(config, kSteps * kTokens);
  run.context.seq_len = kLength;
  std::vector<std::uint8_t> valid;
  for (std::size_t a = 0; a < kSteps; ++a) {
    const auto part = mask_of(a);
    valid.insert(valid.end(), part.begin(), part.end());
  }
  run.set_valid(valid);
  run.step();
  return {run.d_x, run.gradients};
}

Outcome accumulated(const MoEConfig& config) {
  LayerRun<double> run(config, kTokens);
  run.context.seq_len = kLength;
  const auto all_x = test::normal_values<double>(kSteps * kTokens * kWidth, "x");
  const auto all_d_y = test::normal_values<double>(kSteps * kTokens * kWidth, "d_y");
  const auto load_micro_batch = [&](std::size_t a) {
    std::copy_n(all_x.begin() + a * run.x.size(), run.x.size(), run.x.begin());
    std::copy_n(all_d_y.begin() + a * run.x.size(), run.x.size(), run.d_y.begin());
    run.set_valid(mask_of(a));
  };
  RoutingStats window;
  window.reset(config.num_experts);
  for (std::size_t a = 0; a < kSteps; ++a) {  // the counting pass
    load_micro_batch(a);
    run.forward();
    window.add(run.stats);
  }
  if (config.aux_loss_scope == AuxLossScope::kMicroBatch) {
    run.balance.aux_coef /= kSteps;
    run.balance.z_coef /= kSteps;
  } else {
    run.balance.num_tokens = window.num_tokens;
    run.balance.num_sequences = 2 * kSteps;
    run.balance.global_load = View<const std::int64_t, 1>(window.load.data(), {config.num_experts});
  }
  Outcome outcome;
  for (std::size_t a = 0; a < kSteps; ++a) {
    load_micro_batch(a);
    run.forward();
    run.backward();
    outcome.d_x.insert(outcome.d_x.end(), run.d_x.begin(), run.d_x.end());
  }
  outcome.gradients = run.gradients;
  return outcome;
}

double largest_distance(const Outcome& a, const Outcome& b) {
  double largest = test::distance(a.d_x, b.d_x);
  for (const auto& [name, gradient] : a.gradients) {
    largest = std::max(largest, test::distance(gradient, b.gradients.at(name)));
  }
  return largest;
}

}  // namespace

TEST_CASE("accumulation: A steps of B equal one step of A * B for global_batch and sequence, not for micro_batch",
          "[moe][batching]") {
  for (const GateOrder order : {GateOrder::kSoftmaxTopkRenorm, GateOrder::kSigmoidTopkRenorm}) {
    MoEConfig config{.d_model = kWidth, .gate_order = order, .num_shared_experts = 1};
    config.aux_loss_coef = 0.5;
    config.z_loss_coef = 0.5;
    config.aux_loss_scope = AuxLossScope::kGlobalBatch;
    CHECK(largest_distance(whole_batch(config), accumulated(config)) < 1e-12);
    config.aux_loss_scope = AuxLossScope::kSequence;
    CHECK(largest_distance(whole_batch(config), accumulated(config)) < 1e-12);
    config.aux_loss_scope = AuxLossScope::kMicroBatch;
    CHECK(largest_distance(whole_batch(config), accumulated(config)) > 1e-6);
    config.aux_loss_coef = config.z_loss_coef = 0;
    CHECK(largest_distance(whole_batch(config), accumulated(config)) < 1e-12);
  }
}

TEST_CASE("accumulation: the window's Switch loss is that of the whole batch", "[moe][batching]") {
  LayerRun<double> whole(MoEConfig{.d_model = kWidth}, 48), part(MoEConfig{.d_model = kWidth}, 16);
  whole.forward();
  RoutingStats window;
  window.reset(4);
  double mean_of_parts = 0;
  for (std::size_t a = 0; a < 3; ++a) {
    std::copy_n(whole.x.begin() + a * part.x.size(), part.x.size(), part.x.begin());
    part.forward();
    window.add(part.stats);
    mean_of_parts += part.stats.aux_loss / 3;
  }
  const double of_window = switch_aux_loss(View<const double, 1>(window.prob_sum.data(), {4}),
                                           View<const std::int64_t, 1>(window.load.data(), {4}), window.num_tokens, 2);
  CHECK(of_window == Approx(whole.stats.aux_loss).epsilon(1e-13));
  CHECK(mean_of_parts != Approx(whole.stats.aux_loss).epsilon(1e-6));
}
