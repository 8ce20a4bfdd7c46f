// SPDX-License-Identifier: Apache-2.0
#include "minimoe/moe/moe_layer.hpp"

#include <algorithm>
#include <numeric>

#include "moe/layer_run.hpp"
#include "support/allocation_counter.hpp"
#include "support/catch.hpp"

using namespace minimoe;
using minimoe::test::LayerRun;

namespace {

constexpr GateOrder kOrders[] = {GateOrder::kSoftmaxTopkRenorm, GateOrder::kSoftmaxTopk, GateOrder::kTopkSoftmax,
                                 GateOrder::kSigmoidTopkRenorm};

template <class T>
void check_against_reference(const MoEConfig& config, std::size_t num_tokens, std::size_t seq_len,
                             const std::vector<std::uint8_t>& valid, double tolerance) {
  LayerRun<T> run(config, num_tokens);
  run.context.seq_len = seq_len;
  if (!valid.empty()) run.set_valid(valid);
  run.forward();
  const reference::MoEResult expected = run.reference_forward();
  REQUIRE(std::min(expected.choice_margin, expected.drop_margin) > (sizeof(T) == 4 ? 1e-6 : 1e-12));
  CHECK(test::widen(run.topk_idx()) == test::widen(expected.topk_idx));
  CHECK(test::widen(run.kept()) == test::widen(expected.kept));
  CHECK(test::distance(run.y, expected.y) < tolerance);
  CHECK(test::distance(run.rows(run.cache.router_logits_TE), expected.logits) < tolerance);
  CHECK(test::distance(run.rows(run.cache.router_probs_TE), expected.probs) < tolerance);
  CHECK(test::distance(run.gate_weights(), expected.gate_weights) < tolerance);
  CHECK(run.stats.load == expected.load);
  CHECK(run.stats.dropped == expected.dropped);
  CHECK(run.stats.num_tokens == expected.num_tokens);
  CHECK(test::distance(run.stats.prob_sum, expected.prob_sum) < tolerance);
  CHECK(test::distance(run.stats.gate_weight_sum, expected.gate_weight_sum) < tolerance);
  CHECK(run.stats.logit_square_sum == Approx(expected.logit_square_sum).epsilon(tolerance));
  CHECK(run.stats.aux_loss == Approx(expected.aux_loss).epsilon(tolerance));
  CHECK(run.stats.z_loss == Approx(expected.z_loss).epsilon(tolerance));
  CHECK(std::accumulate(run.stats.load.begin(), run.stats.load.end(), std::int64_t{0}) ==
        run.stats.num_tokens * static_cast<std::int64_t>(config.top_k));
}

}  // namespace

TEST_CASE("moe_layer: equals the scalar loops on random sizes, in every gate order, drop, mask and scope",
          "[moe][oracle]") {
  struct Size {
    std::size_t num_tokens, d_model, d_expert, num_experts, top_k;
  };
  int cases = 0;
  for (const Size& s : {Size{12, 5, 7, 4, 2}, Size{1, 3, 4, 4, 2}, Size{16, 6, 3, 5, 5}, Size{4, 8, 5, 16, 1},
                        Size{60, 20, 33, 7, 3}, Size{8, 1, 1, 1, 1}, Size{132, 17, 9, 64, 6}}) {
    for (const GateOrder order : kOrders) {
      for (const FfnKind ffn : {FfnKind::kGelu, FfnKind::kSwiglu}) {
        for (const double factor : {0.0, 0.8}) {
          MoEConfig config{.d_model = s.d_model,
                           .num_experts = s.num_experts,
                           .top_k = s.top_k,
                           .d_expert = s.d_expert,
                           .ffn = ffn,
                           .gate_order = order,
                           .allow_constant_gate = true};
          config.gelu = cases % 3 == 0 ? Gelu::kErf : Gelu::kTanh;
          config.router_bias = cases % 4 == 0;
          config.num_shared_experts = static_cast<std::size_t>(cases) % 3;
          config.shared_expert_gate = config.num_shared_experts > 0 && cases % 7 < 4;
          config.capacity_factor = factor;
          config.drop_priority = cases % 5 < 2 ? DropPriority::kProbability : DropPriority::kPosition;
          config.aux_loss_scope = cases % 2 ? AuxLossScope::kSequence : AuxLossScope::kMicroBatch;
          if (order == GateOrder::kSigmoidTopkRenorm) config.routed_scale = 1.7;
          // A constant gate has only ties in its gate weights.
          const bool constant_gate = s.num_experts == 1 || (s.top_k == 1 && order != GateOrder::kSoftmaxTopk);
          if (constant_gate) config.drop_priority = DropPriority::kPosition;
          std::vector<std::uint8_t> valid;
          if (cases % 3 == 1) {
            for (std::size_t t = 0; t < s.num_tokens; ++t) valid.push_back(t % 4 != 3);
          }
          INFO("T " << s.num_tokens << " E " << s.num_experts << " K " << s.top_k << " case " << cases);
          const std::size_t seq_len = s.num_tokens == 1 ? 1 : 4;
          check_against_reference<double>(config, s.num_tokens, seq_len, valid, 1e-13);
          check_against_reference<float>(config, s.num_tokens, seq_len, valid, 2e-6);
          ++cases;
        }
      }
    }
  }
  CHECK(cases == 7 * 4 * 2 * 2);
}

TEST_CASE("moe_layer: no tokens give no output, zero counts and untouched gradients", "[moe]") {
  for (const AuxLossScope scope : {AuxLossScope::kMicroBatch, AuxLossScope::kSequence, AuxLossScope::kGlobalBatch}) {
    MoEConfig config{.d_model = 4, .num_shared_experts = 1};
    config.shared_expert_gate = scope == AuxLossScope::kSequence;
    config.aux_loss_scope = scope;
    config.capacity_factor = 1;
    LayerRun<double> run(config, 0);
    run.plan(8);
    run.context.seq_len = 4;
    run.step();
    CHECK(run.stats.load == std::vector<std::int64_t>{0, 0, 0, 0});
    CHECK(run.stats.num_tokens == 0);
    CHECK(run.stats.aux_loss == 0);
    CHECK(run.stats.z_loss == 0);
    for (const auto& [name, gradient] : run.gradients) CHECK(gradient == std::vector<double>(gradient.size(), 0.0));
  }
}

TEST_CASE("moe_layer: fewer tokens than planned give the same bits as an exact plan", "[moe]") {
  MoEConfig config{.d_model = 6, .num_shared_experts = 1, .shared_expert_gate = true, .capacity_factor = 0.8};
  LayerRun<float> exact(config, 13), roomy(config, 13);
  roomy.plan(50);
  exact.step();
  roomy.step();
  CHECK(test::equal_bits(exact.y, roomy.y));
  CHECK(test::equal_bits(exact.d_x, roomy.d_x));
  CHECK(exact.gradients == roomy.gradients);
}

TEST_CASE("moe_layer: permuting tokens permutes outputs and gradients when dropless", "[moe]") {
  LayerRun<double> a(MoEConfig{.d_model = 6, .num_shared_experts = 1}, 37),
      b(MoEConfig{.d_model = 6, .num_shared_experts = 1}, 37);
  const auto from = [](std::size_t t) { return t * 8 % 37; };
  for (std::size_t t = 0; t < 37; ++t) {
    std::copy_n(&a.x[from(t) * 6], 6, &b.x[t * 6]);
    std::copy_n(&a.d_y[from(t) * 6], 6, &b.d_y[t * 6]);
  }
  a.step();
  b.step();
  std::vector<double> y(a.y.size()), d_x(a.y.size());
  for (std::size_t t = 0; t < 37; ++t) {
    std::copy_n(&a.y[from(t) * 6], 6, &y[t * 6]);
    std::copy_n(&a.d_x[from(t) * 6], 6, &d_x[t * 6]);
  }
  CHECK(test::equal_bits(b.y, y));
  CHECK(test::distance(b.d_x, d_x) < 1e-14);  // the losses sum tokens in another order
  CHECK(b.stats.load == a.stats.load);
}

TEST_CASE("moe_layer: a sequence's dropless output does not depend on its batch neighbours; with capacity it does",
          "[moe]") {
  const auto output_of_second = [](double factor, bool other_neighbours) {
    LayerRun<float> run(MoEConfig{.d_model = 10, .d_expert = 21, .capacity_factor = factor}, 36);
    if (other_neighbours) {
      for (std::size_t i = 0; i < run.x.size(); ++i) {
        if (i / 10 / 12 != 1) run.x[i] = run.x[i] * 2 + 1;
      }
    }
    run.forward();
    return std::vector<float>(run.y.begin() + 120, run.y.begin() + 240);
  };
  CHECK(test::equal_bits(output_of_second(0, false), output_of_second(0, true)));
  CHECK_FALSE(test::equal_bits(output_of_second(0.7, false), output_of_second(0.7, true)));
}

TEST_CASE("moe_layer: forward counts nothing twice: evaluation and recompute change no state", "[moe]") {
  LayerRun<float> run(MoEConfig{.d_model = 6, .bias_balancing = true, .capacity_factor = 0.7}, 20);
  run.step();
  const RoutingStats first = run.stats;
  const auto y = run.y;
  std::vector<std::vector<float>> values;
  for (const auto& p : run.parameters) values.push_back(run.value(p.name));
  run.context.training = false;
  run.forward();
  CHECK(run.stats.num_dropped == 0);  // the evaluation factor is dropless
  CHECK(run.stats.load == first.load);
  run.context.training = true;
  run.forward();
  run.forward();
  CHECK(run.stats.load == first.load);
  CHECK(run.stats.num_tokens == first.num_tokens);
  CHECK(run.stats.prob_sum == first.prob_sum);
  CHECK(test::equal_bits(run.y, y));
  for (std::size_t i = 0; i < values.size(); ++i) CHECK(run.value(run.parameters[i].name) == values[i]);
}

TEST_CASE("moe_layer: the same bits for 1, 2, 3 and 8 threads", "[moe][threads]") {
  for (const GateOrder order : {GateOrder::kSoftmaxTopkRenorm, GateOrder::kSigmoidTopkRenorm}) {
    MoEConfig config{.d_model = 32, .num_experts = 6, .top_k = 2, .d_expert = 48, .gate_order = order};
    config.num_shared_experts = 1;
    config.shared_expert_gate = order == GateOrder::kSoftmaxTopkRenorm;
    config.ffn = order == GateOrder::kSigmoidTopkRenorm ? FfnKind::kSwiglu : FfnKind::kGelu;
    config.capacity_factor = 0.9;
    config.drop_priority = DropPriority::kProbability;
    config.aux_loss_scope = AuxLossScope::kSequence;
    config.z_loss_coef = 0.1;
    LayerRun<float> one(config, 600, 1);
    one.context.seq_len = 60;
    std::vector<std::uint8_t> valid(600, 1);
    for (std::size_t t = 0; t < 600; t += 7) valid[t] = 0;
    one.set_valid(valid);
    one.step();
    REQUIRE(one.stats.num_dropped > 0);
    for (const int threads : {2, 3, 8}) {
      LayerRun<float> many(config, 600, threads);
      many.context.seq_len = 60;
      many.set_valid(valid);
      many.step();
      INFO(threads << " threads");
      CHECK(test::equal_bits(many.y, one.y));
      CHECK(test::equal_bits(many.d_x, one.d_x));
      CHECK(many.gradients == one.gradients);
      CHECK(many.stats.prob_sum == one.stats.prob_sum);
      CHECK(many.stats.aux_loss == one.stats.aux_loss);
    }
  }
}

TEST_CASE("moe_layer: forward and backward allocate nothing after the first call", "[moe]") {
  for (const DropPriority priority : {DropPriority::kPosition, DropPriority::kProbability}) {
    MoEConfig config{.d_model = 16, .num_experts = 8, .d_expert = 24, .num_shared_experts = 1};
    config.capacity_factor = 0.8;
    config.drop_priority = priority;
    config.shared_expert_gate = priority == DropPriority::kPosition;
    config.aux_loss_scope = AuxLossScope::kSequence;
    LayerRun<float> run(config, 64, 2);
    run.context.seq_len = 16;
    std::vector<std::uint8_t> valid(64, 1);
    valid[63] = 0;
    run.set_valid(valid);
    run.forward();
    run.backward();
    const std::uint64_t before = minimoe_test::num_allocations();
    for (int i = 0; i < 3; ++i) {
      run.forward();
      run.backward();
    }
    CHECK(minimoe_test::num_allocations() == before);
  }
}

TEST_CASE("moe_layer: wrong shapes and calls are refused with both shapes", "[moe]") {
  MoEConfig config{.d_model = 48};
  config.aux_loss_scope = AuxLossScope::kSequence;
  LayerRun<float> run(config, 6);
  run.context.seq_len = 3;
  std::vector<float> buffer(1000);
  const auto view = [&](std::size_t rows, std::size_t columns) {
    return View<float, 2>(buffer.data(), {rows, columns});
  };
  const auto forward = [&](View<float, 2> y, View<float, 2> x) {
    run.layer.forward(run.exec, y, x, run.context, run.cache, run.stats);
  };
  CHECK_THROWS_WITH(forward(view(6, 64), view(6, 64)),
                    "moe_layer.forward: x is [6, 64], expected [T, 48] (d_model = 48)");
  CHECK_THROWS_WITH(forward(view(9, 48), view(9, 48)),
                    "moe_layer.forward: x is [9, 48], the cache is planned for 6 tokens");
  CHECK_THROWS_WITH(forward(view(6, 40), view(6, 48)), "moe_layer.forward: y is [6, 40], expected [6, 48]");
  CHECK_THROWS_WITH(forward(view(4, 48), view(4, 48)),
                    "moe_layer.forward: seq_len is 3, expected a divisor of the 4 tokens");
  run.context.seq_len = 0;
  CHECK_THROWS_AS(run.forward(), Error);
  run.context.seq_len = 3;
  run.set_valid({1, 1, 1});
  CHECK_THROWS_WITH(run.forward(), "moe_layer.forward: valid is [3], expected [6] (x is [6, 48])");
  run.context.valid = {};
  CHECK_THROWS_WITH(run.backward(),
                    "moe_layer.backward: x is [6, 48], the cache holds no forward (each forward serves one backward)");
  run.forward();
  run.backward();
  CHECK_THROWS_AS(run.backward(), Error);
  run.forward();
  CHECK_THROWS_WITH(
      run.layer.backward(run.exec, view(3, 48), view(3, 48), view(3, 48), run.context, run.cache, run.balance),
      "moe_layer.backward: x is [3, 48], the cache holds a forward of 6 tokens");
  CHECK_THROWS_WITH(
      run.layer.backward(run.exec, view(6, 48), view(5, 48), run.tokens(run.x), run.context, run.cache, run.balance),
      "moe_layer.backward: d_y is [5, 48], expected [6, 48]");
  std::vector<std::int64_t> load(3, 1);
  run.balance.global_load = View<const std::int64_t, 1>(load.data(), {3});
  CHECK_THROWS_WITH(run.backward(), "moe_layer.backward: global_load is [3], expected [4]");
}

TEST_CASE("moe_layer: the registry has every tensor under its name, shape and decay", "[moe]") {
  const auto describe = [](const MoEConfig& config) {
    MoELayer<float> layer(config);
    ParameterList<float> list;
    layer.collect_parameters("m", list);
    std::string text;
    for (const auto& p : list) {
      text += concat(p.name, " ", shape_string(p.shape), p.decay == Decay::kYes ? " decay" : "",
                     p.role == Role::kBuffer ? " buffer" : "", " ", p.init_std, "\n");
    }
    return text;
  };
  MoEConfig gelu{.d_model = 3, .num_experts = 4, .d_expert = 5, .num_shared_experts = 2, .router_init_std = 0.1};
  gelu.router_bias = true;
  gelu.init_std_down = 0.01;
  CHECK(describe(gelu) ==
        "m.router.weight [4, 3] decay 0.1\n"
        "m.router.bias [4] 0\n"
        "m.expert_bias [4] buffer 0\n"
        "m.experts.w_up_proj [4, 5, 3] decay 0.02\n"
        "m.experts.b_up_proj [4, 5] 0\n"
        "m.experts.w_down_proj [4, 3, 5] decay 0.01\n"
        "m.experts.b_down_proj [4, 3] 0\n"
        "m.shared.w_up_proj [10, 3] decay 0.02\n"
        "m.shared.b_up_proj [10] 0\n"
        "m.shared.w_down_proj [3, 10] decay 0.01\n"
        "m.shared.b_down_proj [3] 0\n");
  gelu.shared_expert_gate = true;
  CHECK(describe(gelu).ends_with("m.shared.b_down_proj [3] 0\nm.shared_gate.weight [1, 3] decay 0.02\n"));
  MoEConfig swiglu{.d_model = 3, .num_experts = 4, .d_expert = 5, .ffn = FfnKind::kSwiglu};
  CHECK(describe(swiglu) ==
        "m.router.weight [4, 3] decay 0.02\n"
        "m.expert_bias [4] buffer 0\n"
        "m.experts.w_gate_proj [4, 5, 3] decay 0.02\n"
        "m.experts.w_up_proj [4, 5, 3] decay 0.02\n"
        "m.experts.w_down_proj [4, 3, 5] decay 0.02\n");
}
