// SPDX-License-Identifier: Apache-2.0
// Time of an MoE layer and of its parts on one thread. The label is the size: lab (T 1024, D 64, F 256, E 4, K 2), mid
// (T 2048, D 512, F 1024, E 8, K 2). `routing` is everything but the experts: router, top-k, dispatch, combine.
//   build/bin/moe_bench --benchmark_repetitions=20 --benchmark_report_aggregates_only=true
#include <benchmark/benchmark.h>

#include <vector>

#include "minimoe/moe/moe_layer.hpp"
#include "moe/dispatch.hpp"
#include "moe/experts.hpp"
#include "moe/permute.hpp"
#include "moe/router.hpp"

namespace {

using namespace minimoe;

struct Layer {
  MoEConfig config;
  std::size_t num_tokens;
  Exec exec{ExecOptions{.num_threads = 1}};
  MoELayer<float> layer;
  ParameterList<float> parameters;
  std::vector<std::vector<float>> gradients;
  Arena arena;
  MoECache<float> cache;
  RoutingStats stats;
  Tensor<float, 2> x, y, d_y, d_x;

  explicit Layer(bool mid) : config(config_of(mid)), num_tokens(mid ? 2048 : 1024), layer(config) {
    layer.collect_parameters("moe", parameters);
    initialize_parameters(parameters, 1);
    for (auto& p : parameters) {
      gradients.emplace_back(p.size());
      if (p.bind_gradient) p.bind_gradient(gradients.back().data());
    }
    arena.build([&](Arena& a) { cache.plan(a, config, num_tokens); });
    x = make_tensor<float, 2>({num_tokens, config.d_model});
    y = d_x = d_y = x;
    const RandomStream stream(1, "x");
    for (std::size_t i = 0; i < x.size(); ++i) {
      x.data()[i] = static_cast<float>(stream.normal(i));
      d_y.data()[i] = static_cast<float>(stream.normal(i + x.size()));
    }
    forward();
  }
  static MoEConfig config_of(bool mid) {
    MoEConfig config{.d_model = std::size_t(mid ? 512 : 64), .num_experts = std::size_t(mid ? 8 : 4)};
    config.d_expert = mid ? 1024 : 256;
    return config;
  }
  void forward() { layer.forward(exec, y, x, {.training = true}, cache, stats); }
  void backward() { layer.backward(exec, d_x, d_y, x, {.training = true}, cache, {.aux_coef = 0.01}); }
  double expert_gflop() const {
    return 4e-9 * static_cast<double>(num_tokens * config.top_k * config.d_model * config.d_expert);
  }
};

void finish(benchmark::State& state, double gflop) {
  state.SetLabel(state.range(0) ? "mid" : "lab");
  if (gflop > 0) state.counters["GF/s"] = benchmark::Counter(gflop, benchmark::Counter::kIsIterationInvariantRate);
}

void layer_forward(benchmark::State& state) {
  Layer run(state.range(0));
  for (auto _ : state) run.forward();
  finish(state, run.expert_gflop());
}

void layer_forward_backward(benchmark::State& state) {
  Layer run(state.range(0));
  for (auto _ : state) {
    run.forward();
    run.backward();
  }
  finish(state, 3 * run.expert_gflop());
}

ExpertWeights<float> weights_of(Layer& run) {
  ExpertWeights<float> weights;
  const std::size_t E = run.config.num_experts, D = run.config.d_model, F = run.config.d_expert;
  for (const auto& p : run.parameters) {
    if (p.name == "moe.experts.w_up_proj") weights.w_up_proj_EFD = {p.value, {E, F, D}};
    if (p.name == "moe.experts.w_down_proj") weights.w_down_proj_EDF = {p.value, {E, D, F}};
    if (p.name == "moe.experts.b_up_proj") weights.b_up_proj_EF = {p.value, {E, F}};
    if (p.name == "moe.experts.b_down_proj") weights.b_down_proj_ED = {p.value, {E, D}};
  }
  return weights;
}

void experts_only_forward(benchmark::State& state) {
  Layer run(state.range(0));
  const ExpertWeights<float> weights = weights_of(run);
  for (auto _ : state) {
    experts_forward(run.exec, run.cache.y_RD, run.cache.experts_R, run.cache.x_RD, run.cache.expert_begin, weights,
                    Gelu::kTanh);
  }
  finish(state, run.expert_gflop());
}

void router(benchmark::State& state) {
  Layer run(state.range(0));
  const std::size_t E = run.config.num_experts, D = run.config.d_model;
  for (auto _ : state) {
    router_logits_forward(run.exec, run.cache.router_logits_TE, run.x, {run.parameters[0].value, {E, D}}, {},
                          run.cache.token_N);
    gate_forward(run.exec, run.cache, run.layer.expert_bias(), run.config);
  }
  finish(state, 0);
}

void dispatch(benchmark::State& state) {
  Layer run(state.range(0));
  const std::array<std::size_t, 1> shape_E{run.config.num_experts};
  for (auto _ : state) {
    drop_over_capacity(run.cache, {run.stats.dropped.data(), shape_E}, {run.stats.load.data(), shape_E}, run.num_tokens,
                       DropPriority::kPosition);
    group_by_expert(run.cache);
  }
  finish(state, 0);
}

void gather_and_combine(benchmark::State& state) {
  Layer run(state.range(0));
  for (auto _ : state) {
    gather_rows(run.exec, run.cache.x_RD, run.x, run.cache.row_token_R);
    combine_forward<float>(run.exec, run.y, run.cache.y_RD, run.cache.gate_weights_TK, run.cache.slot_row_TK, false);
  }
  finish(state, 0);
}

void gather_and_combine_backward(benchmark::State& state) {
  Layer run(state.range(0));
  for (auto _ : state) {
    combine_backward(run.exec, run.cache.y_RD, run.cache.d_gate_weights_TK, run.d_y, run.cache.gate_weights_TK,
                     run.cache.slot_row_TK);
    gather_slots_backward_add<float>(run.exec, run.d_x, run.cache.y_RD, run.cache.slot_row_TK);
  }
  finish(state, 0);
}

#define MINIMOE_BENCHMARK(name) BENCHMARK(name)->Arg(0)->Arg(1)->Unit(benchmark::kMicrosecond)
MINIMOE_BENCHMARK(router);
MINIMOE_BENCHMARK(dispatch);
MINIMOE_BENCHMARK(gather_and_combine);
MINIMOE_BENCHMARK(gather_and_combine_backward);
MINIMOE_BENCHMARK(experts_only_forward);
MINIMOE_BENCHMARK(layer_forward);
MINIMOE_BENCHMARK(layer_forward_backward);

}  // namespace

BENCHMARK_MAIN();
