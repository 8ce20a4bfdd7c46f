// SPDX-License-Identifier: Apache-2.0
#include "moe/shared_gate.hpp"

#include <cmath>

#include "moe/layer_run.hpp"
#include "support/catch.hpp"

using namespace minimoe;
using minimoe::test::LayerRun;

namespace {

struct Gate {
  std::vector<float> gate, d_x, d_weight;
};

/// 150 tokens of width 40, every third of them padding in the backward.
Gate run_gate(Precision precision, int num_threads) {
  Exec exec(ExecOptions{.num_threads = num_threads});
  const PrecisionScope scope(exec, precision);
  std::vector<float> x = test::normal_values<float>(150 * 40, "x"), weight = test::normal_values<float>(40, "w", 0.3);
  std::vector<float> d_gate = test::normal_values<float>(150, "d_gate"), valid_x;
  std::vector<std::int32_t> tokens;
  for (std::int32_t t = 0; t < 150; ++t) {
    if (t % 3 == 1) continue;
    tokens.push_back(t);
    valid_x.insert(valid_x.end(), x.begin() + t * 40, x.begin() + (t + 1) * 40);
  }
  Gate out{std::vector<float>(150), std::vector<float>(valid_x.size(), 7), std::vector<float>(40, 1)};
  const View<float, 2> gate_T1(out.gate.data(), {150, 1}), weight_1D(weight.data(), {1, 40});
  shared_gate_forward<float>(exec, gate_T1, View<float, 2>(x.data(), {150, 40}), weight_1D);
  shared_gate_backward<float>(exec, {out.d_x.data(), {tokens.size(), 40}}, {out.d_weight.data(), {1, 40}},
                              {d_gate.data(), {150, 1}}, gate_T1, View<float, 2>(valid_x.data(), {tokens.size(), 40}),
                              weight_1D, {tokens.data(), {tokens.size()}});
  return out;
}

}  // namespace

TEST_CASE("shared_gate: its products are in float32 whatever the precision, the same bits for any threads", "[moe]") {
  const Gate one = run_gate(Precision::kFloat32, 1);
  for (const int num_threads : {1, 3}) {
    for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
      const Gate other = run_gate(precision, num_threads);
      CHECK(test::equal_bits(one.gate, other.gate));
      CHECK(test::equal_bits(one.d_x, other.d_x));
      CHECK(test::equal_bits(one.d_weight, other.d_weight));
    }
  }
}

TEST_CASE("shared_gate: it is half at a zero vector, and opens and shuts the shared experts by the token", "[moe]") {
  MoEConfig config{.d_model = 2, .num_experts = 1, .top_k = 1, .d_expert = 3, .num_shared_experts = 1};
  const auto outputs = [&](bool gated, const std::vector<double>& gate) {
    config.shared_expert_gate = gated;
    LayerRun<double> run(config, 3);
    for (const auto& p : run.parameters) {
      if (p.name.starts_with("experts.")) std::fill_n(p.value, p.size(), 0.0);  // the shared experts alone
    }
    run.x = {1, 0, 0, 1, 3, -2};
    if (gated) run.set("shared_gate.weight", gate);
    run.forward();
    return run.y;
  };
  const std::vector<double> open = outputs(false, {});
  const auto gated_by = [&](const std::vector<double>& gate, const std::vector<double>& factors) {
    std::vector<double> expected = open;
    for (std::size_t i = 0; i < expected.size(); ++i) expected[i] *= factors[i / 2];
    CHECK(test::distance(outputs(true, gate), expected) < 1e-15);
  };
  gated_by({0, 0}, {0.5, 0.5, 0.5});
  gated_by({std::log(3.0), 0}, {0.75, 0.5, 27.0 / 28});
  gated_by({-2000, 2000}, {0, 1, 0});  // no overflow, no NaN
}
