// SPDX-License-Identifier: Apache-2.0
// Time of each op on one thread; `ns/element` is what docs quote for the elementwise ops, ms an op for attention.
//   build/bin/ops_bench --benchmark_repetitions=20 --benchmark_report_aggregates_only=true
#include <benchmark/benchmark.h>

#include "minimoe/core/random.hpp"
#include "minimoe/ops/activation.hpp"
#include "minimoe/ops/adamw.hpp"
#include "minimoe/ops/attention.hpp"
#include "minimoe/ops/cross_entropy.hpp"
#include "minimoe/ops/norm.hpp"
#include "minimoe/ops/softmax.hpp"

namespace {

using namespace minimoe;

Exec& one_thread() {
  static Exec exec([] {
    ExecOptions options;
    options.num_threads = 1;
    return options;
  }());
  return exec;
}

template <std::size_t N>
Tensor<float, N> random(const std::array<std::size_t, N>& shape, const char* name) {
  Tensor<float, N> tensor = make_tensor<float, N>(shape);
  const RandomStream stream(1, name);
  for (std::size_t i = 0; i < tensor.size(); ++i) tensor.data()[i] = static_cast<float>(stream.normal(i));
  return tensor;
}

void report(benchmark::State& state, std::size_t elements) {
  state.counters["ns/element"] =
      benchmark::Counter(static_cast<double>(elements) * 1e-9,
                         benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void activation(benchmark::State& state) {
  const auto n = static_cast<std::size_t>(state.range(1));
  Tensor<float, 1> x = random<1>({n}, "x"), d_y = random<1>({n}, "d_y"), y = x, d_x = x, d_up = x;
  for (auto _ : state) {
    switch (state.range(0)) {
      case 0:
      case 1:
        gelu_forward<float>(one_thread(), y, x, state.range(0) == 0 ? Gelu::kTanh : Gelu::kErf);
        gelu_backward<float>(one_thread(), d_x, d_y, x, state.range(0) == 0 ? Gelu::kTanh : Gelu::kErf);
        break;
      case 2:
        silu_forward<float>(one_thread(), y, x);
        silu_backward<float>(one_thread(), d_x, d_y, x);
        break;
      default:
        swiglu_forward<float>(one_thread(), y, x, d_y);
        swiglu_backward<float>(one_thread(), d_x, d_up, d_y, x, y);
    }
  }
  state.SetLabel(std::array{"gelu tanh", "gelu erf", "silu", "swiglu"}[static_cast<std::size_t>(state.range(0))]);
  report(state, n);
}
BENCHMARK(activation)->ArgsProduct({{0, 1, 2, 3}, {1 << 18}});

void softmax(benchmark::State& state) {
  const auto n = static_cast<std::size_t>(state.range(0));
  Tensor<float, 2> x = random<2>({262144 / n, n}, "x"), y = x;
  for (auto _ : state) softmax_forward<float>(one_thread(), y, x);
  report(state, x.size());
}
BENCHMARK(softmax)->Arg(4)->Arg(64)->Arg(256)->Arg(8192);

void layer_norm(benchmark::State& state) {
  const auto D = static_cast<std::size_t>(state.range(0));
  Tensor<float, 2> x = random<2>({65536 / D, D}, "x"), y = x;
  Tensor<float, 1> w = random<1>({D}, "w"), b = w, mean = random<1>({65536 / D}, "mean"), rstd = mean;
  for (auto _ : state) layer_norm_forward<float>(one_thread(), y, mean, rstd, x, w, b, 1e-5);
  report(state, x.size());
}
BENCHMARK(layer_norm)->Arg(64)->Arg(512);

void layer_norm_gradient(benchmark::State& state) {
  const auto D = static_cast<std::size_t>(state.range(0));
  Tensor<float, 2> x = random<2>({65536 / D, D}, "x"), d_y = random<2>({65536 / D, D}, "d_y"), d_x = x;
  Tensor<float, 1> w = random<1>({D}, "w"), d_w = w, d_b = w, mean = random<1>({65536 / D}, "mean"), rstd = mean;
  for (auto _ : state) layer_norm_backward<float>(one_thread(), d_x, d_w, d_b, d_y, x, w, mean, rstd);
  report(state, x.size());
}
BENCHMARK(layer_norm_gradient)->Arg(64)->Arg(512);

void rms_norm(benchmark::State& state) {
  const auto D = static_cast<std::size_t>(state.range(0));
  Tensor<float, 2> x = random<2>({65536 / D, D}, "x"), y = x;
  Tensor<float, 1> w = random<1>({D}, "w"), rstd = random<1>({65536 / D}, "mean");
  for (auto _ : state) rms_norm_forward<float>(one_thread(), y, rstd, x, w, 1e-5);
  report(state, x.size());
}
BENCHMARK(rms_norm)->Arg(64)->Arg(512);

void cross_entropy(benchmark::State& state) {
  const auto V = static_cast<std::size_t>(state.range(0));
  const std::size_t tokens = 262144 / V;
  Tensor<float, 2> logits = random<2>({tokens, V}, "x"), d_logits = logits;
  Tensor<float, 1> lse = random<1>({tokens}, "lse");
  const std::vector<std::int32_t> targets(tokens, 1);
  const View<const std::int32_t, 1> view(targets.data(), {tokens});
  for (auto _ : state) {
    cross_entropy_forward<float>(one_thread(), lse, logits, view);
    cross_entropy_backward<float>(one_thread(), d_logits, logits, lse, view, 1.0);
  }
  report(state, logits.size());
}
BENCHMARK(cross_entropy)->Arg(256)->Arg(8192);

void adamw(benchmark::State& state) {
  const auto n = static_cast<std::size_t>(state.range(0));
  Tensor<float, 1> w = random<1>({n}, "w"), m = w, v = random<1>({n}, "v"), g = random<1>({n}, "g");
  for (float& x : v) x *= x;
  for (auto _ : state) adamw_update<float>(one_thread(), w, m, v, g, {});
  report(state, n);
}
BENCHMARK(adamw)->Arg(1 << 15)->Arg(1 << 22);

void squares(benchmark::State& state) {
  const Tensor<float, 1> g = random<1>({1 << 18}, "g");
  for (auto _ : state) benchmark::DoNotOptimize(sum_of_squares<float>(one_thread(), g));
  report(state, g.size());
}
BENCHMARK(squares);

void attention(benchmark::State& state) {
  const auto arg = [&](int i) { return static_cast<std::size_t>(state.range(i)); };
  const AttentionShape shape{arg(0), arg(1), arg(2), arg(2), arg(3)};
  const std::size_t tokens = shape.num_tokens();
  const Tensor<float, 2> qkv = random<2>({tokens, shape.qkv_width()}, "qkv"),
                         d_y = random<2>({tokens, shape.width()}, "d_y");
  Tensor<float, 2> y = d_y, lse = random<2>({tokens, shape.num_heads}, "lse"), d_qkv = qkv;
  Tensor<float, 2> scratch = random<2>({1, attention_scratch_size(shape)}, "scratch");
  for (auto _ : state) {
    causal_attention_forward<float>(one_thread(), y, lse, qkv, shape, scratch);
    if (state.range(4)) causal_attention_backward<float>(one_thread(), d_qkv, d_y, y, lse, qkv, shape, scratch);
  }
  state.SetLabel(state.range(4) ? "forward + backward" : "forward");
}
BENCHMARK(attention)->ArgsProduct({{16}, {64}, {4}, {16}, {0, 1}})->ArgsProduct({{8}, {256}, {8}, {64}, {0, 1}});

}  // namespace

BENCHMARK_MAIN();
