// SPDX-License-Identifier: Apache-2.0
#include "moe/dispatch.hpp"

#include <cmath>
#include <limits>
#include <numeric>

#include "moe/layer_run.hpp"
#include "moe/permute.hpp"
#include "support/catch.hpp"

using namespace minimoe;
using minimoe::test::LayerRun;

namespace {

using Indices = std::vector<std::int32_t>;
using Counts = std::vector<std::int64_t>;

std::vector<std::uint8_t> ones(std::size_t count) { return std::vector<std::uint8_t>(count, 1); }

/// Tokens whose K = 1 choice is `experts` and whose probability of it is `probability`.
struct ChosenRun : LayerRun<double> {
  ChosenRun(MoEConfig base, const Indices& experts, const std::vector<double>& probability)
      : LayerRun<double>(sized(base, experts.size()), experts.size()) {
    set("expert_bias", std::vector<double>(config.num_experts, 0.0));
    std::vector<std::vector<double>> logits;
    for (std::size_t t = 0; t < experts.size(); ++t) {
      const double rest = (1 - probability[t]) / static_cast<double>(config.num_experts - 1);
      logits.emplace_back(config.num_experts, std::log(rest));
      logits.back()[experts[t]] = std::log(probability[t]);
    }
    set_logits(logits);
  }
  static MoEConfig sized(MoEConfig base, std::size_t num_tokens) {
    base.d_model = num_tokens;
    base.top_k = 1;
    return base;
  }
};

}  // namespace

TEST_CASE("dispatch: rows are grouped by expert, tokens ascending, and the maps are inverse to each other",
          "[moe][dispatch]") {
  for (const double factor : {0.0, 0.6}) {
    LayerRun<double> run(MoEConfig{.d_model = 5, .num_experts = 4, .top_k = 2, .capacity_factor = factor}, 23);
    std::vector<std::uint8_t> valid = ones(23);
    valid[4] = valid[22] = 0;
    run.set_valid(valid);
    run.forward();
    const auto idx = run.topk_idx(), slot_row = run.rows(run.cache.slot_row_TK);
    const auto kept = run.kept();
    const std::int64_t num_rows = run.cache.expert_begin(4);
    CHECK(num_rows == 21 * 2 - run.stats.num_dropped);
    CHECK((run.stats.num_dropped > 0) == (factor > 0));
    std::vector<int> uses(num_rows, 0);
    for (std::size_t slot = 0; slot < slot_row.size(); ++slot) {
      CHECK((slot_row[slot] >= 0) == (kept[slot] == 1));
      if (slot_row[slot] < 0) continue;
      ++uses[slot_row[slot]];
      CHECK(run.cache.row_token_R(slot_row[slot]) == static_cast<std::int32_t>(slot / 2));
      CHECK(slot_row[slot] >= run.cache.expert_begin(idx[slot]));
      CHECK(slot_row[slot] < run.cache.expert_begin(idx[slot] + 1));
    }
    CHECK(uses == std::vector<int>(num_rows, 1));
    for (std::size_t e = 0; e < 4; ++e) {
      CHECK(run.cache.expert_begin(e + 1) - run.cache.expert_begin(e) == run.stats.load[e] - run.stats.dropped[e]);
      for (std::int64_t row = run.cache.expert_begin(e) + 1; row < run.cache.expert_begin(e + 1); ++row) {
        CHECK(run.cache.row_token_R(row - 1) < run.cache.row_token_R(row));
      }
    }
  }
}

TEST_CASE("permute: gathering rows and combining them with weights 1 is the identity", "[moe][dispatch]") {
  LayerRun<double> run(MoEConfig{.d_model = 19, .num_experts = 6, .top_k = 1}, 31);
  run.forward();
  const View<const std::int32_t, 1> token_of_row(run.cache.row_token_R.data(), {31});
  gather_rows(run.exec, run.cache.x_RD, run.tokens(run.x), token_of_row);
  std::vector<double> weights(31, 1.0), back(run.x.size(), -1.0);
  combine_forward(run.exec, run.tokens(back), run.cache.x_RD, {weights.data(), {31, 1}}, run.cache.slot_row_TK, false);
  CHECK(test::equal_bits(back, run.x));
  // The gradients are each other's transposes: the same identity backwards.
  std::vector<double> d_weights(31), d_x(run.x.size(), 0.0);
  combine_backward(run.exec, run.cache.x_RD, View<double, 2>(d_weights.data(), {31, 1}), run.tokens(run.d_y),
                   {weights.data(), {31, 1}}, run.cache.slot_row_TK);
  gather_slots_backward_add(run.exec, run.tokens(d_x), run.cache.x_RD, run.cache.slot_row_TK);
  CHECK(test::equal_bits(d_x, run.d_y));
  for (std::size_t t = 0; t < 31; ++t) {
    double dot = 0;
    for (std::size_t d = 0; d < 19; ++d) dot += run.d_y[t * 19 + d] * run.x[t * 19 + d];
    CHECK(d_weights[t] == Approx(dot).epsilon(1e-13));
  }
}

TEST_CASE("permute: rows spread to the places of their tokens, zeros elsewhere", "[moe][dispatch]") {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  struct Spread {
    std::vector<std::int32_t> tokens;
    std::vector<double> expected;  // first column; row n begins as n + 1
  };
  for (const Spread& s : {Spread{{0, 1, 2, 3}, {1, 2, 3, 4}}, Spread{{1, 2, 3}, {0, 1, 2, 3}},
                          Spread{{0, 3}, {1, 0, 0, 2}}, Spread{{2}, {0, 0, 1, 0}}, Spread{{}, {0, 0, 0, 0}}}) {
    std::vector<double> x(4 * 3, kNan);
    for (std::size_t n = 0; n < s.tokens.size(); ++n) std::fill_n(&x[n * 3], 3, static_cast<double>(n + 1));
    spread_rows(View<double, 2>(x.data(), {4, 3}), View<const std::int32_t, 1>(s.tokens.data(), {s.tokens.size()}));
    for (std::size_t i = 0; i < x.size(); ++i) CHECK(x[i] == s.expected[i / 3]);
  }
}

TEST_CASE("dispatch: position keeps the earlier tokens of a full expert, in slot order", "[moe][dispatch]") {
  // Six tokens on E = 3: C = ceil(1 * 6 / 3) = 2.
  ChosenRun run(MoEConfig{.num_experts = 3, .capacity_factor = 1}, {0, 0, 0, 1, 0, 2}, {.5, .6, .9, .5, .8, .5});
  run.forward();
  CHECK(run.kept() == std::vector<std::uint8_t>{1, 1, 0, 1, 0, 1});
  CHECK(run.stats.load == Counts{4, 1, 1});
  CHECK(run.stats.dropped == Counts{2, 0, 0});
  CHECK(run.stats.num_dropped == 2);
}

TEST_CASE("dispatch: probability keeps the highest gate weights, equal ones of the lower token", "[moe][dispatch]") {
  const MoEConfig config{.num_experts = 3, .capacity_factor = 1, .drop_priority = DropPriority::kProbability};
  ChosenRun run(config, {0, 0, 0, 1, 0, 2}, {.5, .6, .9, .5, .8, .5});
  run.forward();
  CHECK(run.kept() == std::vector<std::uint8_t>{0, 0, 1, 1, 1, 1});
  ChosenRun tied(config, {0, 0, 0, 1, 0, 2}, {.5, .7, .7, .5, .7, .5});
  tied.forward();
  CHECK(tied.kept() == std::vector<std::uint8_t>{0, 1, 1, 1, 0, 1});
  // In evaluation the other factor rules: dropless here.
  tied.context.training = false;
  tied.forward();
  CHECK(tied.kept() == ones(6));
  CHECK(tied.stats.num_dropped == 0);
}

TEST_CASE("dispatch: a dropped slot adds 0 and gets gradient 0; survivors keep their weights", "[moe][dispatch]") {
  const Indices experts{0, 0, 0, 1, 0, 2};
  const std::vector<double> probability{.5, .6, .9, .5, .8, .5};
  ChosenRun cut(MoEConfig{.num_experts = 3, .aux_loss_coef = 0, .capacity_factor = 1}, experts, probability);
  ChosenRun all(MoEConfig{.num_experts = 3, .aux_loss_coef = 0}, experts, probability);
  cut.step();
  all.step();
  CHECK(cut.gate_weights() == all.gate_weights());
  for (const std::size_t t : {2, 4}) {
    for (std::size_t d = 0; d < 6; ++d) {
      CHECK(cut.y[t * 6 + d] == 0);
      CHECK(cut.d_x[t * 6 + d] == 0);
    }
    for (std::size_t e = 0; e < 3; ++e) CHECK(cut.d_logit(t, e) == 0);
  }
  for (const std::size_t t : {0, 1, 3, 5}) {
    for (std::size_t d = 0; d < 6; ++d) CHECK(cut.y[t * 6 + d] == all.y[t * 6 + d]);
    CHECK(cut.d_logit(t, experts[t]) == all.d_logit(t, experts[t]));
  }
  // K = 2 with a renormalised gate: the survivor keeps its share, it is not scaled up to 1.
  LayerRun<double> pair(MoEConfig{.d_model = 5, .num_experts = 3, .top_k = 2, .capacity_factor = 0.5}, 12);
  pair.forward();
  REQUIRE(pair.stats.num_dropped > 0);
  for (std::size_t t = 0; t < 12; ++t) {
    CHECK(pair.gate_weights()[2 * t] + pair.gate_weights()[2 * t + 1] == Approx(1).epsilon(1e-14));
  }
  CHECK(test::distance(pair.y, pair.reference_forward().y) < 1e-14);
}

TEST_CASE("dispatch: counts, aux loss and its gradient are those before the drop", "[moe][dispatch]") {
  LayerRun<double> cut(MoEConfig{.d_model = 5, .aux_loss_coef = 0.5, .capacity_factor = 0.5}, 30);
  LayerRun<double> all(MoEConfig{.d_model = 5, .aux_loss_coef = 0.5}, 30);
  for (auto* run : {&cut, &all}) {
    std::fill(run->d_y.begin(), run->d_y.end(), 0.0);
    run->step();
  }
  REQUIRE(cut.stats.num_dropped > 0);
  CHECK(cut.stats.load == all.stats.load);
  CHECK(std::accumulate(cut.stats.load.begin(), cut.stats.load.end(), std::int64_t{0}) == 60);
  CHECK(cut.stats.gate_weight_sum == all.stats.gate_weight_sum);
  CHECK(cut.stats.aux_loss == all.stats.aux_loss);
  CHECK(cut.gradients["router.weight"] == all.gradients["router.weight"]);
}

TEST_CASE("dispatch: a capacity that nobody reaches is no capacity, to the last bit", "[moe][dispatch]") {
  for (const DropPriority priority : {DropPriority::kPosition, DropPriority::kProbability}) {
    LayerRun<float> dropless(MoEConfig{.d_model = 9}, 40);
    LayerRun<float> large(MoEConfig{.d_model = 9, .capacity_factor = 100, .drop_priority = priority}, 40);
    dropless.step();
    large.step();
    CHECK(large.stats.num_dropped == 0);
    CHECK(test::equal_bits(large.y, dropless.y));
    CHECK(test::equal_bits(large.d_x, dropless.d_x));
    CHECK(large.gradients == dropless.gradients);
  }
}

TEST_CASE("dispatch: an expert without tokens costs nothing and its gradient stays exactly as it was",
          "[moe][dispatch]") {
  for (const FfnKind ffn : {FfnKind::kGelu, FfnKind::kSwiglu}) {
    LayerRun<double> run(MoEConfig{.d_model = 5, .num_experts = 4, .top_k = 1, .ffn = ffn}, 20);
    run.set("expert_bias", {0, 0, -9, 0});
    // NaN weights prove that nothing of the expert is read.
    for (auto& p : run.parameters) {
      if (p.name.rfind("experts.", 0) != 0) continue;
      const std::size_t size = p.size() / 4;
      std::fill_n(p.value + 2 * size, size, std::numeric_limits<double>::quiet_NaN());
    }
    run.step();
    REQUIRE(run.stats.load[2] == 0);
    for (const double value : run.y) CHECK(std::isfinite(value));
    for (const auto& [name, gradient] : run.gradients) {
      if (name.rfind("experts.", 0) != 0) continue;
      INFO(name);
      const std::size_t size = gradient.size() / 4;
      for (std::size_t i = 0; i < gradient.size(); ++i) CHECK((i / size == 2) == (gradient[i] == 0));
    }
    // Accumulated gradients of before stay too.
    run.gradients["experts.w_up_proj"].assign(4 * 256 * 5, 3.0);
    run.forward();
    run.backward();
    CHECK(run.gradients["experts.w_up_proj"][2 * 256 * 5] == 3.0);
    CHECK(run.gradients["experts.w_up_proj"][0] != 3.0);
  }
}

TEST_CASE("dispatch: one expert may get every token", "[moe][dispatch]") {
  LayerRun<double> run(MoEConfig{.d_model = 5, .num_experts = 4, .top_k = 1}, 20);
  run.set("expert_bias", {0, 0, 9, 0});
  run.forward();
  CHECK(run.stats.load == Counts{0, 0, 20, 0});
  CHECK(test::distance(run.y, run.reference_forward().y) < 1e-14);
}
